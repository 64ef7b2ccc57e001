//! The other libraries, each used in the fastest way that its documentation shows. One that is not
//! there is skipped by its name.

#[cfg(feature = "peers")]
mod genoxide;
#[cfg(feature = "peers")]
mod radiate;

use crate::companion;
use crate::measure::Contestant;
use crate::model::{Net, Species};
use crate::{limits, ours};
use std::process::Command;

/// Who does not take part, and why.
pub fn skipped() -> Vec<String> {
    let mut skipped = Vec::new();
    if cfg!(not(feature = "peers")) {
        skipped.push("genoxide, radiate: built without the feature peers".into());
    }
    let net = Net::layered(1, 1);
    if let Err(why) = python("compile", &[net], "[]", 0.0, 1) {
        skipped.push(format!("neat-python: {why}"));
    }
    skipped
}

pub fn single<'a>(nets: &[Net], rows: &'a [f32]) -> Vec<Contestant<'a>> {
    let mut found = many(nets, rows);
    found.extend(python("single", nets, &table(rows, nets[0].inputs), 0.0, nets[0].links.len()));
    found
}

/// Without neat-python, to which it makes no difference how many networks there are.
pub fn many<'a>(nets: &[Net], rows: &'a [f32]) -> Vec<Contestant<'a>> {
    #[cfg(feature = "peers")]
    return vec![genoxide::single(nets, rows), radiate::single(nets, rows)];
    #[cfg(not(feature = "peers"))]
    return (nets, rows, Vec::new()).2;
}

pub fn batch<'a>(net: &Net, rows: &'a [f32]) -> Vec<Contestant<'a>> {
    let mut found: Vec<Contestant> = Vec::new();
    #[cfg(feature = "peers")]
    found.extend([genoxide::batch(net, rows), radiate::batch(net, rows)]);
    let units = net.links.len() * rows.len() / net.inputs;
    found.extend(python("batch", std::slice::from_ref(net), &table(rows, net.inputs), 0.0, units));
    found
}

pub fn compile<'a>(net: &Net) -> Vec<Contestant<'a>> {
    let mut found: Vec<Contestant> = Vec::new();
    #[cfg(feature = "peers")]
    found.extend([genoxide::compile(net), radiate::compile(net)]);
    found.extend(python("compile", std::slice::from_ref(net), "[]", 0.0, 1));
    found
}

#[allow(unused_variables, unused_mut)]
pub fn breed<'a>(nets: &[Net], species: Species) -> Vec<Contestant<'a>> {
    let mut found = Vec::new();
    #[cfg(feature = "peers")]
    {
        found.push(genoxide::breed(nets, species));
        if species == Species::One {
            found.push(radiate::breed(nets, 2));
        }
    }
    found
}

/// neat-python, which would take half a minute for a generation of 1,000.
pub fn breed_few<'a>(nets: &[Net], species: Species) -> Option<Contestant<'a>> {
    let mut found = python("breed", nets, "[]", species.threshold(), nets.len()).ok()?;
    found.name = format!("{}, {} genotypes", found.name, nets.len());
    Some(found)
}

/// All compute the same function of an input, to within 1e-4.
pub fn agree(net: &Net, rows: &[f32]) {
    let input = &rows[..net.inputs];
    let wanted = ours::outputs(net, input);
    let mut others = vec![("the loop", limits::outputs(net, input))];
    #[cfg(feature = "peers")]
    others.extend([
        (genoxide::NAME, genoxide::outputs(net, input)),
        (radiate::NAME, radiate::outputs(net, input)),
    ]);
    others.extend(python_outputs(net, rows).map(|outputs| ("neat-python", outputs)));
    for (name, outputs) in others {
        let same = outputs.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(
            same && outputs.len() == wanted.len(),
            "{name} answers {outputs:?} and Cambrian {wanted:?}"
        );
    }
}

fn python(
    what: &str,
    nets: &[Net],
    rows: &str,
    threshold: f32,
    units: usize,
) -> Result<Contestant<'static>, String> {
    companion::contestant(&mut script(), &work(what, nets, rows, threshold), units)
}

fn python_outputs(net: &Net, rows: &[f32]) -> Option<Vec<f32>> {
    let work = work("outputs", std::slice::from_ref(net), &table(rows, net.inputs), 0.0);
    let answer = companion::answer(&mut script(), &work).ok()?;
    answer.split(' ').map(|number| number.parse().ok()).collect()
}

fn script() -> Command {
    let mut python = Command::new("python3");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/neat_python.py"));
    python
}

fn work(what: &str, nets: &[Net], rows: &str, threshold: f32) -> String {
    let nets: Vec<String> = nets.iter().map(Net::json).collect();
    let nets = nets.join(",");
    format!(r#"{{"do":"{what}","nets":[{nets}],"rows":{rows},"threshold":{threshold}}}"#)
}

/// Rows of inputs as JSON.
fn table(rows: &[f32], width: usize) -> String {
    let rows: Vec<String> = rows.chunks_exact(width).map(|row| format!("{row:?}")).collect();
    format!("[{}]", rows.join(","))
}
