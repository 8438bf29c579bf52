//! Why demands cannot be met together: the smallest set of them that collides, and the paths that lead to the collision.

use super::Error;
use super::demand::{Demand, Request};
use super::pool::VersionId;
use super::solve::Refusal;

/// The error for a refusal.
pub(super) fn explain(refusal: &Refusal<'_, '_>, _request: &Request, _base: &[VersionId], demands: &[Demand], _exclude: &[String]) -> Error {
    let pool = refusal.state.pool;
    Error::Collision {
        demands: demands.iter().filter_map(Demand::present).map(|p| pool.full_name(p)).collect(),
        reasons: refusal.broken.iter().map(|p| pool.full_name(*p)).collect(),
    }
}

/// The message: what collides, and below it why.
pub(super) fn headline(demands: &[String], reasons: &[String]) -> String {
    format!("{demands:?} {reasons:?}")
}
