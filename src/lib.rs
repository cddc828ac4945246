//! aksgate puts the governance gates of AKS fleets under plan and apply.
//!
//! # Code map
//!
//! ```text
//! environments/ initiatives/ -> config -> render -> desired --+
//!                                                              +-> diff -> plan -> apply -> arm
//!                      arm (reads) -> observed ---------------+
//! everything a person or a pipeline sees -> view
//! ```
//!
//! Pure core, no effects: [`model`], [`diagnostic`], [`yaml`], [`config`], [`catalog`], [`lock`], [`render`], [`kinds`], [`observed`], [`remark`],
//! [`desired`], [`evidence`], [`promotion`], [`rollout`], [`diff`], [`plan`], [`drift`], [`coverage`], [`compliance`], [`pipeline`],
//! [`preflight`], [`egress`], [`runtime`], [`report`], [`remediation`], [`adoption`], [`manifest`], [`rules`].
//!
//! Edges: [`arm`] is the only HTTP, [`store`] the only file access, [`journal`] tells it what a run wrote, [`clock`] is the only time,
//! [`view`] the only printer;
//! [`observe`] reads and [`apply`] writes through `arm`; [`commands`] is the only place that knows them all.
//!
//! [`sandbox`] is the simulated Azure behind `--sandbox`. It shares no types and no comparison with the rest.

pub mod admission;
pub mod adoption;
pub mod apply;
pub mod arm;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod compliance;
pub mod config;
pub mod coverage;
pub mod desired;
pub mod diagnostic;
pub mod diff;
pub mod drift;
pub mod egress;
pub mod evidence;
pub mod journal;
pub mod kinds;
pub mod lock;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod observed;
pub mod pipeline;
pub mod plan;
pub mod preflight;
pub mod promotion;
pub mod remark;
pub mod remediation;
pub mod render;
pub mod report;
pub mod rollout;
pub mod rules;
pub mod runtime;
pub mod sandbox;
pub mod store;
pub mod view;
pub mod yaml;
