//! The .deb format. (contract; body to come)
use crate::store::Verified;
use std::io::Read;
/// A .deb, its control member read.
#[derive(Debug)]
pub struct Deb {
    /// the control file's stanza
    pub stanza: String,
    /// all other control members, in the archive's order
    pub members: Vec<Member>,
}
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    pub mode: u32,
    pub modified: i64,
    pub content: Vec<u8>,
}
#[derive(Debug, thiserror::Error)]
#[error("deb")]
pub struct Error;
impl Deb {
    pub fn open(_file: &Verified) -> Result<Deb, Error> {
        unimplemented!()
    }
    /// The decoded data member, to be read to its end.
    pub fn data<'a>(&'a self, _file: &'a Verified) -> Result<Box<dyn Read + 'a>, Error> {
        unimplemented!()
    }
}
