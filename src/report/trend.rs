//! How many rules of a gate were broken, day by day, on all clusters together.

use crate::compliance::Trend;
use crate::model::Timestamp;

/// The days of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The gate.
    pub gate: String,
    /// Its days, oldest first.
    pub points: Vec<Point>,
}

/// A day of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its end.
    pub end: Timestamp,
    /// How many rules were broken at its end, each counted once for each cluster; none if no cluster had reported by then.
    pub broken: Option<usize>,
    /// How many clusters had reported by then.
    pub heard: usize,
}

/// Sums up the days of clusters.
pub fn series(gate: &str, clusters: &[Trend]) -> Series {
    let mut points: Vec<Point> = Vec::new();
    for cluster in clusters {
        for (at, day) in cluster.days.iter().enumerate() {
            if points.len() == at {
                points.push(Point {
                    end: day.end,
                    broken: None,
                    heard: 0,
                });
            }
            if let (Some(point), Some(broken)) = (points.get_mut(at), day.broken) {
                point.broken = Some(point.broken.unwrap_or(0).saturating_add(broken));
                point.heard = point.heard.saturating_add(1);
            }
        }
    }
    Series {
        gate: gate.to_owned(),
        points,
    }
}
