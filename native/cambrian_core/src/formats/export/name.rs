//! The name of an exported file.

use std::fmt;
use thiserror::Error;

/// A name that is the prefix in C and the name of the module in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Why a text is not a [`Name`]. The message describes a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a lower-case letter and then up to {} lower-case letters, digits and underscores, and no \
     keyword of Rust",
    LONGEST - 1
)]
pub struct NameError;

const LONGEST: usize = 32;

/// Keywords of Rust. In C the name is only a prefix, so keywords do not matter.
const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while",
];

impl Name {
    /// # Errors
    /// [`NameError`].
    pub fn new(text: &str) -> Result<Name, NameError> {
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        let goes_on =
            text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        let is_free = !KEYWORDS.contains(&text) && text != "yield";
        let fine = begins && goes_on && is_free && text.len() <= LONGEST;
        if fine { Ok(Name(text.to_string())) } else { Err(NameError) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    fn default() -> Name {
        Name("cambrian".to_string())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_identifier_is_a_name() {
        for good in ["cambrian", "pole", "p", "double_pole_2", "a_", &"a".repeat(32)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(33);
        for bad in [
            "", "_", "2a", "Pole", "a-b", "a b", "a;", "a\n", "é", "aé", "*/", "a\0", "match",
            &long,
        ] {
            assert_eq!(Name::new(bad), Err(NameError), "{bad:?}");
        }
    }
}
