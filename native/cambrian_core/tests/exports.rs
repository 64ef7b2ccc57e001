//! Exported source code, built by ordinary compilers, gives the bits of [`Network::step`].

mod common;

use cambrian_core::base::choice::Choice;
use cambrian_core::base::math::{Activation, Aggregation, LIMIT};
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::formats::export::name::Name;
use cambrian_core::formats::export::plan::Plan;
use cambrian_core::formats::export::{c, rust};
use cambrian_core::genome::dynamics::Dynamics;
use cambrian_core::genome::genotype::{Connection, Genotype, Node};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::genome::plasticity::Plasticity;
use cambrian_core::phenotype::network::Network;
use cambrian_core::phenotype::normalisation::Normalisation;
use cambrian_core::variation::mutation::Operator;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TICKS: usize = 200;

/// The number of random networks.
const RANDOM: u64 = 16;

/// Genotypes from no connection to some hundred, which together use every kind of gene.
fn genotypes() -> Vec<Genotype> {
    let mut all: Vec<Genotype> = (0..RANDOM).map(random).collect();
    all.extend(Activation::ALL.iter().map(|a| alone(Neuron { bias: 0.1, ..Neuron::new(*a) })));
    for (&plasticity, &dynamics) in Plasticity::ALL.iter().zip(Dynamics::ALL) {
        let neuron = Neuron {
            learning_rate: 0.1,
            decay: 0.7,
            time_constant: 2.6,
            ..Neuron::new(Activation::Gelu)
        };
        all.extend([alone(Neuron { plasticity, ..neuron }), alone(Neuron { dynamics, ..neuron })]);
    }
    for &aggregation in Aggregation::ALL {
        all.push(alone(Neuron { aggregation, gain: -1.5, ..Neuron::new(Activation::Identity) }));
    }
    all.push(unconnected());
    assert_every_kind_occurs(&all);
    all
}

/// A genotype grown by random operators, with every gene of every node drawn again and some
/// connections disabled.
fn random(seed: u64) -> Genotype {
    let p = Parameters { initial_weight: 2.0, ..Parameters::default() };
    let mut rng = Stream::new(seed, Purpose::Operator, 0, 0);
    let (inputs, outputs) = (1 + rng.below(5) as u32, 1 + rng.below(3) as u32);
    let mut g = Genotype::new(inputs, outputs, &p, &mut rng).unwrap();
    for _ in 0..rng.below(120) {
        let name = ["add_node", "add_node", "add_connection", "add_recurrent"][rng.below(4)];
        g = Operator::named(name).unwrap().apply(&g, &p, &mut rng).unwrap_or(g);
    }
    // one in four has plain nodes
    let plain = seed.is_multiple_of(4);
    let nodes =
        g.nodes().map(|node| Node { neuron: neuron(&node, inputs, plain, &g, &mut rng), ..node });
    let nodes: Vec<Node> = nodes.collect();
    let connections =
        g.connections().map(|c| Connection { enabled: rng.below(10) > 0, ..c }).collect();
    Genotype::from_genes(inputs, outputs, nodes, connections).unwrap()
}

fn neuron(node: &Node, inputs: u32, plain: bool, g: &Genotype, rng: &mut Stream) -> Neuron {
    if g.nodes().take(inputs as usize).any(|input| input.id == node.id) {
        return Neuron::INPUT;
    }
    let mut pick = |all| if plain { 0 } else { rng.below(all) };
    let aggregation = Aggregation::ALL[pick(7)];
    let dynamics = Dynamics::ALL[pick(5)];
    let plasticity = Plasticity::ALL[pick(5)];
    Neuron {
        bias: rng.normal(),
        gain: rng.normal(),
        time_constant: (0.01 + rng.normal().abs() * 20.0).min(1000.0),
        learning_rate: (0.3 * rng.normal()).clamp(-1.0, 1.0),
        decay: rng.normal().abs().min(1.0),
        activation: Activation::ALL[rng.below(Activation::ALL.len())],
        aggregation,
        dynamics,
        plasticity,
    }
}

/// A node with three inputs and a link to itself, with weights of all sizes.
fn alone(neuron: Neuron) -> Genotype {
    let g = Genotype::new(3, 1, &common::parameters(), &mut common::stream(1)).unwrap();
    let nodes: Vec<Node> = (g.nodes().enumerate())
        .map(|(at, node)| Node { neuron: if at == 3 { neuron } else { Neuron::INPUT }, ..node })
        .collect();
    let output = nodes[3].id;
    let mut connections: Vec<Connection> = g.connections().collect();
    connections.push(Connection::new(output, output, 0.3));
    connections.sort_unstable_by_key(|c| c.id);
    Genotype::from_genes(3, 1, nodes, connections).unwrap()
}

/// Every other network normalises its inputs.
fn normalisation(nth: usize, genotype: &Genotype) -> Option<Normalisation> {
    let mut rng = Stream::new(nth as u64, Purpose::Operator, 3, 0);
    let mut numbers = || (0..genotype.inputs()).map(|_| 3.0 * rng.normal()).collect();
    (nth % 2 == 1).then(|| Normalisation::new(numbers(), numbers()).unwrap())
}

fn networks(genotypes: &[Genotype]) -> Vec<Network> {
    let network = |(nth, g)| Network::new(g).normalised(normalisation(nth, g));
    genotypes.iter().enumerate().map(network).collect()
}

fn plan(nth: usize, genotype: &Genotype) -> Plan {
    Plan::new(genotype).normalised(normalisation(nth, genotype))
}

fn unconnected() -> Genotype {
    let p = Parameters { initial_connections: 0.0, ..Parameters::default() };
    Genotype::new(2, 2, &p, &mut common::stream(1)).unwrap()
}

fn assert_every_kind_occurs(all: &[Genotype]) {
    let neurons: Vec<Neuron> =
        all[..RANDOM as usize].iter().flat_map(|g| g.nodes().map(|n| n.neuron)).collect();
    assert!(Activation::ALL.iter().all(|kind| neurons.iter().any(|n| n.activation == *kind)));
    assert!(Aggregation::ALL.iter().all(|kind| neurons.iter().any(|n| n.aggregation == *kind)));
    assert!(Dynamics::ALL.iter().all(|kind| neurons.iter().any(|n| n.dynamics == *kind)));
    assert!(Plasticity::ALL.iter().all(|kind| neurons.iter().any(|n| n.plasticity == *kind)));
    assert!(all.iter().map(Genotype::recurrent).sum::<usize>() > 200);
}

/// A reward and the inputs for each network and tick.
fn course(networks: &[Network]) -> Vec<f32> {
    let mut rng = Stream::new(7, Purpose::Operator, 2, 0);
    let odd = [0.0, -0.0, LIMIT, -LIMIT, 1e-42, -1e-42, 1e-30, f32::MIN_POSITIVE, 0.5, 1.0];
    let mut number = |tick: usize| match (tick / 50 % 2, rng.below(10)) {
        (1, n) if rng.below(8) == 0 => odd[n],
        (_, 0) => 50.0 * rng.normal(),
        _ => rng.normal(),
    };
    networks
        .iter()
        .flat_map(|n| (0..TICKS).flat_map(move |tick| vec![tick; 1 + n.inputs()]))
        .map(&mut number)
        .collect()
}

/// The outputs and the memory for each network and tick.
fn expected(networks: &[Network], course: &[f32]) -> Vec<f32> {
    let (mut course, mut seen) = (course, Vec::new());
    for network in networks {
        let (mut values, mut outputs) = (network.rest(), vec![0.0; network.outputs()]);
        for _ in 0..TICKS {
            let (now, later) = course.split_at(1 + network.inputs());
            course = later;
            network.reward(&mut values, now[0]);
            network.step(&mut values, &now[1..], &mut outputs);
            seen.extend_from_slice(&outputs);
            seen.extend_from_slice(network.memory_of(&mut values));
        }
    }
    seen
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn run(command: &mut Command) -> std::process::Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}; bin/setup installs what lacks"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Compares the bits that a program writes with the expected ones.
fn compare(program: &Path, course: &[f32], expected: &[f32], how: &str) {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().unwrap();
    let bytes: Vec<u8> = course.iter().flat_map(|x| x.to_le_bytes()).collect();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let seen: Vec<u32> =
        output.stdout.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    assert_eq!(seen.len(), expected.len(), "{how}");
    let differs =
        seen.iter().zip(expected).position(|(seen, expected)| *seen != expected.to_bits());
    if let Some(at) = differs {
        panic!("{how}: number {at} is {} and not {}", f32::from_bits(seen[at]), expected[at]);
    }
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok()
}

#[test]
fn a_c_file_gives_the_bits_of_the_network_with_every_compiler_and_level() {
    let (dir, genotypes) = (scratch("exports_c"), genotypes());
    let networks = networks(&genotypes);
    let course = course(&networks);
    let expected = expected(&networks, &course);
    let mut main = format!("#include <stdio.h>\n#include <stdlib.h>\n#define TICKS {TICKS}\n");
    let mut calls = String::new();
    for (nth, genotype) in genotypes.iter().enumerate() {
        let (name, plan) = (Name::new(&format!("n{nth}")).unwrap(), plan(nth, genotype));
        fs::write(dir.join(format!("n{nth}.c")), c::write(&plan, &name)).unwrap();
        let reward = if plan.reward.is_some() {
            format!("n{nth}_reward(&network, now[0]);")
        } else {
            String::new()
        };
        let _ = write!(
            main,
            "#include \"n{nth}.c\"
static void run_{nth}(void) {{
    struct n{nth}_network network;
    float now[1 + N{nth}_INPUTS], outputs[N{nth}_OUTPUTS];
    int tick;
    n{nth}_init(&network);
    for (tick = 0; tick < TICKS; tick++) {{
        if (fread(now, 4, 1 + N{nth}_INPUTS, stdin) != 1 + N{nth}_INPUTS) exit(1);
        {reward}
        n{nth}_step(&network, now + 1, outputs);
        fwrite(outputs, 4, N{nth}_OUTPUTS, stdout);
        fwrite(n{nth}_memory(&network), 4, N{nth}_MEMORY, stdout);
    }}
}}
"
        );
        let _ = writeln!(calls, "    run_{nth}();");
    }
    let _ = write!(main, "int main(void) {{\n{calls}    return 0;\n}}\n");
    fs::write(dir.join("main.c"), main).unwrap();
    let native: &[&str] = if cfg!(target_arch = "x86_64") {
        &["-O3", "-march=native"]
    } else {
        &["-O3", "-mcpu=native"]
    };
    let levels: [&[&str]; 5] = [
        &["-std=c99", "-O0"],
        &["-std=c99", "-O2"],
        &["-O3"],
        // a processor with fused multiply-add, where gcc fuses unless the file forbids it
        native,
        &["-std=gnu99", "-Os", "-ffp-contract=off"],
    ];
    for (compiler, levels) in [("cc", &levels[..]), ("clang", &levels[2..4])] {
        if compiler == "clang" && !is_there(compiler) {
            continue;
        }
        let check = |flags: &[&str]| {
            let how = format!("{compiler} {}", flags.join(" "));
            let program = dir.join(how.replace(' ', "_"));
            let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.c", "-o"];
            run(Command::new(compiler).args(flags).args(strict).arg(&program).current_dir(&dir));
            compare(&program, &course, &expected, &how);
        };
        std::thread::scope(|scope| {
            levels.iter().for_each(|flags| drop(scope.spawn(|| check(flags))))
        });
    }
    let fast =
        Command::new("cc").args(["-ffast-math", "-c", "n0.c"]).current_dir(&dir).output().unwrap();
    assert!(
        !fast.status.success() && String::from_utf8_lossy(&fast.stderr).contains("-ffast-math")
    );
}

#[test]
fn a_rust_file_gives_the_bits_of_the_network_optimised_or_not() {
    let (dir, genotypes) = (scratch("exports_rust"), genotypes());
    let networks = networks(&genotypes);
    let course = course(&networks);
    let expected = expected(&networks, &course);
    let (mut modules, mut calls) = (String::new(), String::new());
    for (nth, genotype) in genotypes.iter().enumerate() {
        let (name, plan) = (Name::new(&format!("n{nth}")).unwrap(), plan(nth, genotype));
        fs::write(dir.join(format!("n{nth}.rs")), rust::write(&plan, &name)).unwrap();
        let _ = writeln!(modules, "pub mod n{nth};");
        let reward = if plan.reward.is_some() { "network.reward(now[0]);" } else { "" };
        let _ = writeln!(
            calls,
            "    let mut network = n{nth}::Network::new();
    for _ in 0..{TICKS} {{
        let now: [f32; 1 + n{nth}::INPUTS] = core::array::from_fn(|_| number());
        {reward}
        for y in network.step(now[1..].try_into().unwrap()).iter().chain(&*network.memory()) {{
            out.write_all(&y.to_le_bytes()).unwrap();
        }}
    }}"
        );
    }
    let main = format!(
        "#![deny(warnings)]
use std::io::{{Read, Write}};
{modules}
fn main() {{
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut number = || {{
        let mut word = [0; 4];
        input.read_exact(&mut word).unwrap();
        f32::from_le_bytes(word)
    }};
{calls}}}
"
    );
    fs::write(dir.join("main.rs"), main).unwrap();
    fs::write(
        dir.join("bare.rs"),
        format!("#![no_std]\n#![deny(warnings)]\n#![forbid(unsafe_code)]\n{modules}"),
    )
    .unwrap();
    let rustc = |flags: &[&str]| {
        run(Command::new("rustc").args(["--edition", "2024"]).args(flags).current_dir(&dir));
    };
    for flags in [&["-C", "opt-level=3"][..], &["-C", "debug-assertions=on"]] {
        rustc(&[flags, &["main.rs"]].concat());
        compare(&dir.join("main"), &course, &expected, &format!("rustc {}", flags.join(" ")));
    }
    rustc(&["--crate-type", "lib", "--emit", "metadata", "bare.rs"]);
}

/// The code in a header, without the start of its lines: its first line, and all others.
fn example(text: &str, begins: &str, from: &str) -> (String, String) {
    let lines = text.lines().skip_while(|line| *line != from).skip(1);
    let code = lines.map_while(|line| {
        if line.trim_end() == begins.trim_end() { Some("") } else { line.strip_prefix(begins) }
    });
    let code: Vec<&str> =
        code.filter(|line| !line.is_empty()).take_while(|line| !line.starts_with("```")).collect();
    let (first, rest) = code.split_first().expect("an example");
    (first.to_string(), rest.join("\n"))
}

#[test]
fn the_example_in_the_header_of_a_file_compiles_and_runs() {
    let (dir, pole) = (scratch("exports_header"), Name::new("pole").unwrap());
    for plasticity in [Plasticity::None, Plasticity::Reward] {
        let plan = Plan::new(&alone(Neuron { plasticity, ..Neuron::new(Activation::Tanh) }));

        let text = c::write(&plan, &pole);
        let (include, code) = example(&text, " *     ", " * Include this file where it is used:");
        fs::write(dir.join("pole.c"), &text).unwrap();
        fs::write(
            dir.join("main.c"),
            format!("{include}\nint main(void) {{\n{code}\nreturn 0;\n}}\n"),
        )
        .unwrap();
        run(Command::new("cc")
            .args(["-std=c99", "-Wall", "-Werror", "main.c", "-o", "one"])
            .current_dir(&dir));
        let apart = format!(
            "#define POLE_DECLARATIONS\n{}",
            fs::read_to_string(dir.join("main.c")).unwrap()
        );
        fs::write(dir.join("apart.c"), apart).unwrap();
        run(Command::new("cc")
            .args(["-std=c99", "-Wall", "-Werror", "apart.c", "pole.c", "-o", "two"])
            .current_dir(&dir));

        let text = rust::write(&plan, &pole);
        let (module, code) = example(&text, "//! ", "//! ```ignore");
        fs::write(dir.join("pole.rs"), &text).unwrap();
        let main = format!("{module}\nfn main() {{\n{code}\nassert_eq!(outputs.len(), 1);\n}}\n");
        fs::write(dir.join("main.rs"), main).unwrap();
        run(Command::new("rustc")
            .args(["--edition", "2024", "main.rs", "-o", "three"])
            .current_dir(&dir));
        for program in ["one", "two", "three"] {
            run(&mut Command::new(dir.join(program)));
        }
    }
}

#[test]
fn a_file_has_only_the_code_that_its_network_needs() {
    let plan = Plan::new(&alone(Neuron::new(Activation::Tanh)));
    let (c, rust) = (c::write(&plan, &Name::default()), rust::write(&plan, &Name::default()));
    for absent in ["ltc", "special", "median", "_exp", "sqrt", "hebbian"] {
        assert!(!c.contains(absent) && !rust.to_lowercase().contains(absent), "{absent}");
    }
    assert!(c.contains("cambrian_tanh(float x)") && rust.contains("fn tanh(x: f32)"));
}
