//! Splits source text into parts, so that a file contains only the parts that it needs.
//!
//! A part is a paragraph: an item between blank lines, with its comments. It defines one name and
//! needs the parts that define the other names in it.

use std::collections::HashMap;

/// Parts in their order.
#[derive(Default)]
pub struct Parts {
    parts: Vec<Part>,
    /// The part that defines each name.
    places: HashMap<String, usize>,
}

struct Part {
    text: String,
    /// The names in the text, with the name that it defines.
    names: Vec<String>,
}

impl Parts {
    /// Adds the parts of a text. `defined` picks, from the names in a part, the name that it
    /// defines. Skips parts that define no name, indented parts, and parts whose name is already
    /// defined.
    pub fn add(&mut self, text: &str, defined: fn(&[String]) -> Option<&String>) {
        for part in text.split("\n\n").filter(|part| !part.starts_with(' ')) {
            let names = names(part);
            if let Some(name) = defined(&names).filter(|name| !self.places.contains_key(*name)) {
                self.places.insert(name.clone(), self.parts.len());
                self.parts.push(Part { text: part.trim_matches('\n').to_string(), names });
            }
        }
    }

    /// The parts that a text needs, each followed by an empty line.
    pub fn needed(&self, text: &str) -> String {
        let mut taken = vec![false; self.parts.len()];
        let mut wanted = names(text);
        while let Some(name) = wanted.pop() {
            let Some(&place) = self.places.get(&name) else { continue };
            if !std::mem::replace(&mut taken[place], true) {
                wanted.extend(self.parts[place].names.iter().cloned());
            }
        }
        let texts = self.parts.iter().zip(taken).filter(|(_, taken)| *taken);
        texts.map(|(part, _)| format!("{}\n\n", part.text)).collect()
    }
}

/// The identifiers of a text, without its comments.
fn names(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = |line: &str| -> Vec<String> {
        let words = line
            .split(|c| !is_part(c))
            .filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()));
        words.filter(|word| !word.is_empty()).map(String::from).collect()
    };
    without_comments(text).lines().flat_map(words).collect()
}

/// Removes comments of both languages: our texts have no comment signs in literals.
fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.lines().flat_map(|line| [line.split("//").next().unwrap_or(""), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_parts_come_in_order_after_the_parts_they_need() {
        let mut parts = Parts::default();
        let text = "// odd\nA = 1\n\n/* B? */\nB = A + 2\n\nC = 3 // A\n\n// only words\n";
        parts.add(text, |names| names.first());
        parts.add("A = 9", |names| names.first());
        assert_eq!(parts.needed("B"), "// odd\nA = 1\n\n/* B? */\nB = A + 2\n\n");
        assert_eq!(parts.needed("x C /* A */"), "C = 3 // A\n\n");
        assert_eq!(parts.needed("D"), "");
    }
}
