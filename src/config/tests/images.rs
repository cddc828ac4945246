//! Parameters that a gate gives as a list of images.

use super::*;

/// The small estate with a list of images instead of a regular expression.
fn listed(list: &str) -> Vec<SourceFile> {
    let mut files = small_but(IMAGES, "expose: {allowed", "exposeImages: {allowed");
    let dev = files.iter_mut().find(|file| file.path == DEV).unwrap();
    let text = String::from_utf8(dev.content.clone()).unwrap();
    dev.content = text
        .replace("allowedImages: ^contoso", &format!("allowedImages: {list}"))
        .into_bytes();
    files
}

#[test]
fn a_list_of_images_becomes_the_regular_expression() {
    let (estate, diagnostics) = load(
        &listed("[contoso.azurecr.io, mcr.microsoft.com/oss]"),
        Catalog::embedded(),
    );
    assert_eq!(diagnostics, []);
    let gate = estate.unwrap().environments["dev"].gates["images"].clone();
    assert_eq!(
        gate.parameters["allowedImages"],
        r"^(contoso\.azurecr\.io/.+|mcr\.microsoft\.com/oss([/:@].+)?)$"
    );
}

#[test]
fn what_is_no_list_of_images_is_told_at_its_place() {
    let cases = [
        (
            "[]",
            "environments/dev.yaml:14:22 not a list of images: `allowedImages` is an empty list: no image would be admitted\n  name the registries that images may come from",
        ),
        (
            "^contoso",
            "environments/dev.yaml:14:22 not a list of images: `allowedImages` takes a list of registries, repositories and images, found a text\n  write it as `[contoso.azurecr.io, mcr.microsoft.com/oss]`",
        ),
        (
            "[a.io, nginx]",
            "environments/dev.yaml:14:29 not a list of images: `nginx` is no registry\n  write the registry too, such as `docker.io/library/nginx`; images that leave it out are refused",
        ),
        (
            "[a.io, 5]",
            "environments/dev.yaml:14:29 not a list of images: expected a registry, repository or image, found `5`\n  such as `contoso.azurecr.io` or `mcr.microsoft.com/oss/kubernetes/pause:3.9`",
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(wrong(&listed(list)), expected, "{list}");
    }
}

#[test]
fn only_a_text_parameter_takes_images() {
    check(
        IMAGES,
        &[(
            "expose: {allowedContainerImagesRegex: allowedImages}",
            "expose: {allowedContainerImagesRegex: allowedImages}\n    exposeImages: {namespaces: others}",
            "initiatives/images.yaml:8:20 no place for images: `namespaces` is Array, not a text\n  `exposeImages` is for parameters that take a regular expression of images",
        )],
    );
}
