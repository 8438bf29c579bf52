//! One hostile package, from raw parts: its ar members, its tar archives, its control file.

use rbootstrap::testing::Compression;
use rbootstrap::testing::deb::control_tar;
use rbootstrap::testing::tar::{TarEntry, ar, compress, directory, tar};

/// A package, and how a run that installs it ends.
pub struct Case {
    /// The name of the case and of its package.
    pub name: String,
    pub code: i32,
    /// A part of the error's message.
    pub says: &'static str,
    /// Fields of its stanza in the index, besides those that every package has.
    pub fields: &'static str,
    control: String,
    members: Vec<(&'static str, &'static str)>,
    control_tar: Option<Vec<u8>>,
    data_tar: Vec<u8>,
    /// The file, if it is not made of the parts above.
    bytes: Option<Vec<u8>>,
}

/// A sound package that installs nothing.
fn sound(name: &str, code: i32, says: &'static str) -> Case {
    Case {
        name: name.to_owned(),
        code,
        says,
        fields: "",
        control: control(name),
        members: Vec::new(),
        control_tar: None,
        data_tar: tar(&[directory("./")]),
        bytes: None,
    }
}

/// A package that installs.
pub fn accepted(name: &str) -> Case {
    sound(name, 0, "")
}

/// A package that is refused as malformed.
pub fn refused(name: &str, says: &'static str) -> Case {
    sound(name, 3, says)
}

/// A package after which a run ends with this code.
pub fn ends(name: &str, code: i32, says: &'static str) -> Case {
    sound(name, code, says)
}

/// The control file of a sound package.
pub fn control(name: &str) -> String {
    format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\n")
}

impl Case {
    /// The entries of the data after `./`, as given.
    pub fn entries(self, entries: &[TarEntry]) -> Case {
        let mut all = vec![directory("./")];
        all.extend_from_slice(entries);
        self.data(tar(&all))
    }

    /// The data's tar archive.
    pub fn data(mut self, bytes: Vec<u8>) -> Case {
        self.data_tar = bytes;
        self
    }

    pub fn member(mut self, name: &'static str, content: &'static str) -> Case {
        self.members.push((name, content));
        self
    }

    /// The control file.
    pub fn control(mut self, text: &str) -> Case {
        text.clone_into(&mut self.control);
        self
    }

    /// The control member's tar archive.
    pub fn control_entries(mut self, entries: &[TarEntry]) -> Case {
        self.control_tar = Some(tar(entries));
        self
    }

    /// The whole file.
    pub fn bytes(mut self, bytes: Vec<u8>) -> Case {
        self.bytes = Some(bytes);
        self
    }

    /// The members of the ar archive.
    pub fn ar(self, members: &[(&str, &[u8])]) -> Case {
        self.bytes(ar(members))
    }

    /// The data as a member of this name with this content, after the sound ones.
    pub fn data_member(self, name: &str, content: &[u8]) -> Case {
        let control = self.packed_control();
        self.ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control),
            (name, content),
        ])
    }

    /// Fields of its stanza in the index.
    pub fn fields(mut self, fields: &'static str) -> Case {
        self.fields = fields;
        self
    }

    pub fn packed_control(&self) -> Vec<u8> {
        let plain = match &self.control_tar {
            Some(bytes) => bytes.clone(),
            None => control_tar(&self.control, &self.members),
        };
        compress(Compression::Gzip, &plain)
    }

    /// The .deb.
    pub fn build(&self) -> Vec<u8> {
        if let Some(bytes) = &self.bytes {
            return bytes.clone();
        }
        let data = compress(Compression::Gzip, &self.data_tar);
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &self.packed_control()),
            ("data.tar.gz", &data),
        ])
    }
}
