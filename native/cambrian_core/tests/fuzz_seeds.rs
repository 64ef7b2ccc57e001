//! Runs every seed of every fuzz target, without a fuzzer.

#[path = "../fuzz/targets.rs"]
mod targets;

fn each_seed(target: &str, check: fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty(), "no seeds of {target}");
    for path in paths {
        println!("{}", path.display());
        check(&std::fs::read(path).unwrap());
    }
}

#[test]
fn every_seed_of_decode_runs() {
    each_seed("decode", targets::decode);
}

#[test]
fn every_seed_of_json_runs() {
    each_seed("json", targets::json);
}

#[test]
fn every_seed_of_patch_runs() {
    each_seed("patch", targets::patch);
}

#[test]
fn every_seed_of_envelope_runs() {
    each_seed("envelope", targets::envelope);
}
