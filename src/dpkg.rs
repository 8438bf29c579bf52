//! /var/lib/dpkg: status, info, diversions, statoverrides, triggers. (contract; body to come)
/// dpkg's database of one tree, as it stands while we unpack.
#[derive(Debug)]
pub struct Database;
