//! How many vCPUs a virtual machine has, as far as the name of its size says so.

/// Returns the vCPUs that a size's name tells; none where it tells none.
///
/// A name is `Standard_`, the family in letters, the number of vCPUs, perhaps the number that is left of them after a dash, then
/// features and version, as in `Standard_E16-8s_v5`
/// (learn.microsoft.com/azure/virtual-machines/vm-naming-conventions). In the families A, D, DS, G and GS of before that
/// convention the number only counts sizes up, so it says nothing.
pub fn vcpus_of_size(size: &str) -> Option<u64> {
    let rest = size
        .get(.."Standard_".len())
        .filter(|start| start.eq_ignore_ascii_case("Standard_"))?;
    let rest = size.get(rest.len()..)?;
    let family = rest
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .filter(|family| !family.is_empty())?;
    let (vcpus, rest) = number(rest.get(family.len()..)?)?;
    if let Some((left, _)) = rest.strip_prefix('-').and_then(number) {
        return Some(left);
    }
    let (features, version) = rest.split_once('_').unwrap_or((rest, ""));
    let version = version.to_ascii_lowercase();
    let version = version.split('_').next().unwrap_or_default();
    let only_counts = match family.to_ascii_uppercase().as_str() {
        "A" | "G" | "GS" => version.is_empty(),
        "D" | "DS" => features.is_empty() && matches!(version, "" | "v2"),
        _ => false,
    };
    (!only_counts && vcpus > 0).then_some(vcpus)
}

/// Splits a number off the beginning of a text.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_convention_tells_its_vcpus() {
        let cases = [
            ("Standard_D4s_v5", 4),
            ("Standard_D2_v3", 2),
            ("standard_d16ds_V5", 16),
            ("Standard_A2m_v2", 2),
            ("Standard_B2ms", 2),
            ("Standard_DC8as_cc_v5", 8),
            ("Standard_E64i_v3", 64),
            ("Standard_F8s_v2", 8),
            ("Standard_HB120rs_v3", 120),
            ("Standard_L8as_v3", 8),
            ("Standard_M416ms_v2", 416),
            ("Standard_NC24ads_A100_v4", 24),
            ("Standard_NV36adms_A10_v5", 36),
            // Some vCPUs are switched off: the number behind the dash is left.
            ("Standard_E16-8s_v5", 8),
            ("Standard_M8-2ms", 2),
            ("Standard_HB120-16rs_v3", 16),
            ("Standard_DS14-8_v2", 8),
        ];
        for (size, vcpus) in cases {
            assert_eq!(vcpus_of_size(size), Some(vcpus), "{size}");
        }
    }

    #[test]
    fn a_name_that_tells_nothing_is_not_guessed() {
        // The usual first size of old clusters, with 2, 4 and 8 vCPUs; then those that count from 1 too.
        let sizes = [
            "Standard_DS2_v2",
            "Standard_DS3_v2",
            "Standard_D4_v2",
            "Standard_D4_v2_Promo",
            "Standard_DS13",
            "Standard_D3",
            "Standard_A4",
            "Standard_G5",
            "Standard_GS3",
            "Basic_A1",
            "Standard_",
            "Standard_4",
            "Standard_D",
            "Standard_D0s_v5",
            "Standard_D99999999999999999999s_v5",
            "",
            "é",
        ];
        for size in sizes {
            assert_eq!(vcpus_of_size(size), None, "{size}");
        }
    }
}
