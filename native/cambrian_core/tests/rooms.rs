//! The rooms of the crate, as `lib.rs` lists them: each uses those above it and none below, and
//! the modules of a room do not use one another in a circle. Uses in tests do not count.
//!
//! `bin/check` prints the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms or modules that each uses, except itself.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn a_room_uses_only_rooms_above_it() {
    let (order, graph) = (rooms(), graph(1));
    assert_eq!(graph.keys().collect::<BTreeSet<_>>(), order.iter().collect());
    for (place, room) in order.iter().enumerate() {
        let used: Vec<&str> = (order.iter().map(String::as_str))
            .filter(|other| graph[room].contains(*other))
            .collect();
        println!("{room:<10} -> {}", used.join(" "));
        let above = &order[..place];
        let below: Vec<_> = graph[room].iter().filter(|other| !above.contains(other)).collect();
        assert!(below.is_empty(), "{room} uses {below:?}, below it in lib.rs");
    }
}

#[test]
fn no_modules_of_a_room_use_one_another_in_a_circle() {
    let mut graph = graph(2);
    while !graph.is_empty() {
        let names: BTreeSet<String> = graph.keys().cloned().collect();
        let is_free = |used: &BTreeSet<String>| used.is_disjoint(&names);
        let free: Vec<_> =
            graph.iter().filter(|(_, used)| is_free(used)).map(|(name, _)| name.clone()).collect();
        assert!(!free.is_empty(), "a circle is among {graph:#?}");
        free.iter().for_each(|name| drop(graph.remove(name)));
    }
}

#[test]
fn paths_are_found_in_every_form_of_use() {
    let text = "use crate::{base::rng, genome::{genotype::Node, topology}};
        use super::{name, parts::Parts}; // crate::task
        let one = super::super::LIMIT + crate::wire::codec::VERSION;
        #[cfg(test)]\nmod tests { use crate::search; }";
    let here = ["formats", "export", "c"].map(String::from);
    let found: BTreeSet<String> = paths(text, &here).iter().map(|path| path.join("::")).collect();
    let all = [
        "base::rng",
        "formats::LIMIT",
        "formats::export::name",
        "formats::export::parts::Parts",
        "genome::genotype::Node",
        "genome::topology",
        "wire::codec::VERSION",
    ];
    assert_eq!(found, all.map(String::from).into());
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms in the order of `lib.rs`.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let name = |line: &str| Some(line.strip_prefix("pub mod ")?.split(';').next()?.to_string());
    text.lines().filter_map(name).collect()
}

/// Which modules use which: rooms at depth 1, their modules at depth 2. A path to an enclosing
/// module is left out, since the parts of a module may use its items.
fn graph(depth: usize) -> Graph {
    let mut files = BTreeMap::new();
    collect(&src(), &mut files);
    files.remove(&vec!["lib".to_string()]);
    let at_depth = |path: &[String]| path[..path.len().min(depth)].to_vec();
    let known: BTreeSet<Vec<String>> = files.keys().map(|path| at_depth(path)).collect();
    let mut graph = Graph::new();
    for (module, text) in &files {
        let here = at_depth(module);
        let used = graph.entry(here.join("::")).or_default();
        for path in paths(text, module) {
            let there = at_depth(&path);
            if known.contains(&there) && !here.starts_with(&there) && !there.starts_with(&here) {
                used.insert(there.join("::"));
            }
        }
    }
    graph
}

/// The files of a folder by the path of their module.
fn collect(folder: &Path, files: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let within = path.strip_prefix(src()).unwrap().with_extension("");
            let module = within.iter().map(|part| part.to_str().unwrap().to_string()).collect();
            files.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The paths into this crate in the text of a module, without those of its tests.
fn paths(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let tests = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(super) mod tests"];
    let end = tests.iter().filter_map(|tests| text.find(tests)).min().unwrap_or(text.len());
    let text = &text[..end];
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(['$', '_']) {
            follow(&code[at + "crate::".len()..], Vec::new(), &mut paths);
        }
    }
    for (at, _) in code.match_indices("super::") {
        if !code[..at].ends_with("super::") {
            let mut rest = &code[at..];
            let mut base = module;
            while let Some(further) = rest.strip_prefix("super::") {
                (rest, base) = (further, &base[..base.len() - 1]);
            }
            follow(rest, base.to_vec(), &mut paths);
        }
    }
    paths
}

/// Adds the paths after `base::`, which may be a tree in braces. Returns where they end.
fn follow(text: &str, base: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    if let Some(tree) = text.strip_prefix('{') {
        let mut at = 0;
        while !tree[at..].starts_with('}') {
            let blank = |c: char| c == ',' || c.is_whitespace();
            at += tree[at..].find(|c| !blank(c)).unwrap();
            if !tree[at..].starts_with('}') {
                at += follow(&tree[at..], base.clone(), paths);
            }
        }
        return at + 2;
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let mut path = base;
    path.push(text[..end].to_string());
    match text[end..].strip_prefix("::") {
        Some(rest) => end + 2 + follow(rest, path, paths),
        None => {
            paths.push(path);
            end
        }
    }
}
