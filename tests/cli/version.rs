//! `aksgate version`

use crate::harness::Folder;

#[test]
fn the_version_is_the_packages() {
    let folder = Folder::empty();
    let version = env!("CARGO_PKG_VERSION");
    folder.run("version").expect(0).prints(&[&format!(
        "aksgate {version}\nplan format 1\nbuilt-in policies of release "
    )]);
    let document = folder.run("version --format json").expect(0).json();
    assert_eq!(document["version"], version);
    assert_eq!(document["planFormatVersion"], 1);
    assert!(document["catalogue"]["commit"].is_string());
    assert_eq!(folder.run("--version").expect(0).stdout, format!("aksgate {version}\n"));
}
