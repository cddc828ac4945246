//! Gates that were called otherwise before.

use super::*;

#[test]
fn a_former_name_is_one_of_no_gate_and_of_one_claim() {
    check(
        DEV,
        &[
            ("    soak: 1d\n", "    soak: 1d\n    renamedFrom: pods\n", ""),
            (
                "    soak: 1d\n",
                "    soak: 1d\n    renamedFrom: Pods\n",
                "environments/dev.yaml:9:18 invalid value: expected a name of lower-case letters, digits and dashes that starts with a \
                 letter\n  write `pods`",
            ),
            (
                "    soak: 1d\n",
                "    soak: 1d\n    renamedFrom: images\n",
                "environments/dev.yaml:9:18 former name of a gate that is there: the environment has a gate `images`\n  \
                 name the gate as it was called before, when it had another name than now",
            ),
            (
                "    soak: 1d\n",
                "    soak: 1d\n    renamedFrom: baseline\n",
                "environments/dev.yaml:9:18 former name of a gate that is there: the environment has a gate `baseline`\n  \
                 name the gate as it was called before, when it had another name than now",
            ),
            (
                "    soak: 1d\n  images:\n",
                "    soak: 1d\n    renamedFrom: pods\n  images:\n    renamedFrom: pods\n",
                "environments/dev.yaml:11:18 former name of two gates: the gate `baseline` says that it was called so\n  \
                 only one of them can take the place of what stands in Azure",
            ),
        ],
    );
}

#[test]
fn a_gate_knows_its_former_name() {
    let files = small_but(DEV, "    soak: 1d\n", "    soak: 1d\n    renamedFrom: pods\n");
    let estate = load(&files, Catalog::embedded()).0.unwrap();
    let dev = &estate.environments["dev"];
    let gate = &dev.gates["baseline"];
    assert!(gate.answers_to("pods") && gate.answers_to("baseline") && !gate.answers_to("images"));
    assert_eq!(dev.renamed_gates(), [("pods".to_owned(), "baseline".to_owned())].into());
}
