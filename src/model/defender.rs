//! The names of Defender for Containers that more than one module speaks of.

/// The extensions of the Defender plan `Containers` as Azure spells them (built-in policy
/// efd4031d-b232-4595-babf-ae817348e91b 1.5.0; pricings, 2024-01-01 and 2026-07-01). New ones come without notice.
pub const DEFENDER_EXTENSIONS: [&str; 5] = [
    "AgentlessDiscoveryForKubernetes",
    "AgentlessVmScanning",
    "ContainerIntegrityContribution",
    "ContainerRegistriesVulnerabilityAssessments",
    DEFENDER_SENSOR,
];
/// The extension that runs the Defender sensor, and with it the admission controller of gated deployment.
pub const DEFENDER_SENSOR: &str = "ContainerSensor";
/// The property of [`DEFENDER_SENSOR`] that turns gated deployment on.
pub const SECURITY_GATING: &str = "SecurityGatingEnabled";
/// The extensions that gated deployment needs: sensor, registry access, security findings
/// (learn.microsoft.com/azure/defender-for-cloud/enablement-guide-runtime-gated).
pub const SECURITY_GATING_NEEDS: [&str; 3] = [
    DEFENDER_SENSOR,
    "ContainerRegistriesVulnerabilityAssessments",
    "ContainerIntegrityContribution",
];
/// The built-in policy definitions that deploy the plan `Containers`: with all its features, and its tier alone.
pub const DEFENDER_PLAN_WRITERS: [&str; 2] = [
    "efd4031d-b232-4595-babf-ae817348e91b",
    "c9ddb292-b203-4738-aead-18e2716e858f",
];
