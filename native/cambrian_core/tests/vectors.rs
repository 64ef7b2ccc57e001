//! Test vectors: ours, which Cambrian writes, and theirs, which another program wrote from
//! `docs/wire-format.md`. A text beside each has its facts, one a line.
//!
//! `BLESS=1 cargo test -p cambrian_core --test vectors` writes ours again, except those of
//! earlier schemas, which earlier releases wrote.

use cambrian_core::base::choice::Choice;
use cambrian_core::base::math::{Activation, Aggregation};
use cambrian_core::genome::dynamics::Dynamics;
use cambrian_core::genome::genotype::{Connection, Genotype, Node};
use cambrian_core::genome::innovation::{self, BOTTOM, NodeId, TOP};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::plasticity::Plasticity;
use cambrian_core::wire::codec::{self, GenotypeId};
use cambrian_core::wire::delta;
use cambrian_core::wire::envelope::{self, Claims, Record};
use cambrian_core::wire::identity::{self, Charter, Grant, Secret, Signer, Succession};
use serde::Serialize;
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};
use std::fmt::{Display, Write};
use std::fs;
use std::path::PathBuf;

const SECRET: Secret = [0x21; 32];
const HEIR: Secret = [0x22; 32];
const REALM: Secret = [0x23; 32];

/// File name, bytes, text.
type Vector = (String, Vec<u8>, String);

#[test]
fn our_vectors_are_what_cambrian_writes() {
    if std::env::var_os("BLESS").is_some() {
        bless();
    }
    for (name, bytes, text) in ours() {
        assert!(fs::read(folder("ours").join(&name)).unwrap() == bytes, "{name}");
        assert_eq!(beside("ours", &name), text, "{name}");
    }
}

fn bless() {
    for (name, bytes, text) in ours() {
        fs::write(folder("ours").join(&name), &bytes).unwrap();
        fs::write(folder("ours").join(format!("{name}.txt")), &text).unwrap();
    }
    fs::write(folder("ours").join("changed.txt"), changed_text("ours")).unwrap();
}

#[test]
fn our_vectors_have_their_documented_facts() {
    assert_eq!(all_read("ours"), ours().len() + 2, "two are of earlier schemas");
}

#[test]
fn their_vectors_have_their_documented_facts() {
    assert!(all_read("theirs") > 10);
}

#[test]
fn the_same_changed_vectors_are_accepted_everywhere() {
    for from in ["ours", "theirs"] {
        assert_eq!(
            changed_text(from),
            fs::read_to_string(folder(from).join("changed.txt")).unwrap(),
            "{from}"
        );
    }
}

/// Checks all vectors of a folder and returns their number.
fn all_read(from: &str) -> usize {
    let (vectors, bases) = (vectors(from), bases(from));
    for (name, bytes) in &vectors {
        assert_eq!(text(kind(name), bytes, &bases), beside(from, name), "{from}/{name}");
    }
    vectors.len()
}

/// For every vector, all variants with one byte changed: how many are accepted, and the hash of
/// these.
fn changed_text(from: &str) -> String {
    let bases = bases(from);
    let line = |(name, bytes): (String, Vec<u8>)| {
        let fates: Vec<u8> =
            changes(&bytes).map(|other| u8::from(accepts(kind(&name), &other, &bases))).collect();
        let accepted = fates.iter().filter(|fate| **fate == 1).count();
        format!("{name} {accepted} of {} {}\n", fates.len(), hex(&Sha256::digest(&fates)))
    };
    vectors(from).into_iter().map(line).collect()
}

fn changes(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).flat_map(|at| [1, 16, 128, 255].map(|mask| (at, mask))).map(|(at, mask)| {
        let mut changed = bytes.to_vec();
        changed[at] ^= mask;
        changed
    })
}

fn accepts(kind: &str, bytes: &[u8], bases: &[Genotype]) -> bool {
    let base = |id: GenotypeId| bases.iter().find(|base| codec::id(base) == id);
    match kind {
        "genotype" => codec::decode(bytes).is_ok(),
        "difference" => delta::ends(bytes)
            .and_then(|(from, _)| base(from))
            .is_some_and(|base| delta::patch(base, bytes).is_ok()),
        "envelope" => envelope::read(bytes)
            .is_ok_and(|envelope| envelope.open(envelope.record.base.and_then(base)).is_ok()),
        "record" => Record::from_bytes(bytes).is_ok(),
        "succession" => Succession::read(bytes).is_ok(),
        "charter" => Charter::read(bytes).is_ok(),
        _ => Grant::read(bytes).is_ok(),
    }
}

fn kind(name: &str) -> &str {
    name.rsplit('.').next().unwrap()
}

fn bases(from: &str) -> Vec<Genotype> {
    let genotypes = vectors(from).into_iter().filter(|(name, _)| kind(name) == "genotype");
    genotypes.map(|(_, bytes)| decoded(&bytes)).collect()
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors").join(name)
}

fn beside(from: &str, name: &str) -> String {
    fs::read_to_string(folder(from).join(format!("{name}.txt"))).unwrap()
}

fn vectors(from: &str) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder(from)).unwrap().map(|entry| entry.unwrap().path());
    let vectors = paths.filter(|path| path.extension().is_some_and(|kind| kind != "txt"));
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
    let mut vectors: Vec<_> = vectors.map(|path| (name(&path), fs::read(path).unwrap())).collect();
    vectors.sort();
    vectors
}

// ---- the texts beside the vectors
// ----------------------------------------------------------------

fn text(kind: &str, bytes: &[u8], bases: &[Genotype]) -> String {
    match kind {
        "genotype" => genotype_text(&decoded(bytes), bytes),
        "difference" => difference_text(bytes, bases),
        "envelope" => envelope_text(bytes, bases),
        "record" => claims_text("record", &Record::from_bytes(bytes).unwrap()),
        "succession" => succession_text(&Succession::read(bytes).unwrap()),
        "grant" => grant_text(&Grant::read(bytes).unwrap()),
        "charter" => charter_text(&Charter::read(bytes).unwrap()),
        other => panic!("no kind {other}"),
    }
}

fn decoded(bytes: &[u8]) -> Genotype {
    codec::decode(bytes).unwrap()
}

fn based(bases: &[Genotype], id: GenotypeId) -> &Genotype {
    bases.iter().find(|base| codec::id(base) == id).expect("its base is here as well")
}

fn genotype_text(genotype: &Genotype, bytes: &[u8]) -> String {
    // the byte after the head of an array, whose head is one byte for fewer than 16 fields
    let schema = if bytes[0] == 0xDC { bytes[3] } else { bytes[1] };
    let head = [
        ("genotype", schema.to_string()),
        ("bytes", hex(&Sha256::digest(bytes))),
        ("id", hex(&codec::id(genotype))),
        ("inputs", genotype.inputs().to_string()),
        ("outputs", genotype.outputs().to_string()),
    ];
    let mut text = lines(&head);
    genotype.nodes().for_each(|node| node_line(&mut text, &node));
    for Connection { id, from, to, weight, enabled } in genotype.connections() {
        let end = if enabled { "" } else { " disabled" };
        writeln!(text, "connection {id:016x} {from:016x} {to:016x} {}{end}", plain(weight))
            .unwrap();
    }
    text
}

fn node_line(text: &mut String, Node { id, layer, neuron }: &Node) {
    let kind = match *layer {
        BOTTOM => "input",
        TOP => "output",
        _ => "hidden",
    };
    write!(text, "{kind} {id:016x} {layer:016x}").unwrap();
    // only genes with unusual values
    for ((name, value), (_, usual)) in genes(neuron).into_iter().zip(genes(&Neuron::INPUT)) {
        if value != usual {
            write!(text, " {name}={value}").unwrap();
        }
    }
    text.push('\n');
}

fn genes(n: &Neuron) -> [(&'static str, String); 9] {
    [
        ("activation", n.activation.name().to_string()),
        ("aggregation", n.aggregation.name().to_string()),
        ("bias", plain(n.bias)),
        ("gain", plain(n.gain)),
        ("dynamics", n.dynamics.name().to_string()),
        ("time_constant", plain(n.time_constant)),
        ("plasticity", n.plasticity.name().to_string()),
        ("learning_rate", plain(n.learning_rate)),
        ("decay", plain(n.decay)),
    ]
}

fn difference_text(bytes: &[u8], bases: &[Genotype]) -> String {
    let (base, target) = delta::ends(bytes).unwrap();
    assert_eq!(codec::id(&delta::patch(based(bases, base), bytes).unwrap()), target);
    lines(&[("difference", "1".to_string()), ("base", hex(&base)), ("target", hex(&target))])
}

fn envelope_text(bytes: &[u8], bases: &[Genotype]) -> String {
    let envelope = envelope::read(bytes).unwrap();
    let base = envelope.record.base.map(|id| based(bases, id));
    let opens = codec::id(&envelope.open(base).unwrap());
    claims_text("envelope", &envelope.record) + &lines(&[("opens", hex(&opens))])
}

fn claims_text(kind: &str, record: &Record) -> String {
    let (claims, none) = (&record.claims, || "none".to_string());
    let mut pairs = vec![
        (kind, "2".to_string()),
        ("realm", claims.realm.clone()),
        ("task", claims.task.clone()),
        ("genotype", hex(&record.genotype)),
        ("base", record.base.map_or_else(none, |base| hex(&base))),
        ("fitness", plain(claims.fitness)),
        ("generation", claims.generation.to_string()),
    ];
    pairs.extend(claims.parents.iter().map(|parent| ("parent", hex(parent))));
    pairs.extend(claims.operators.iter().map(|operator| ("operator", operator.clone())));
    pairs.extend([
        ("origin", hex(&record.origin)),
        ("grant", claims.grant.as_ref().map_or_else(none, |grant| hex(grant))),
        ("sequence", claims.sequence.to_string()),
        ("time", claims.time.to_string()),
    ]);
    lines(&pairs)
}

fn succession_text(said: &Succession) -> String {
    let time = said.time.to_string();
    lines(&[
        ("succession", "1".to_string()),
        ("old", hex(&said.old)),
        ("new", hex(&said.new)),
        ("time", time),
    ])
}

fn grant_text(said: &Grant) -> String {
    let (realm, key) = (("realm", said.realm.clone()), ("key", hex(&said.key)));
    let until = ("until", said.until.to_string());
    let Some(issued) = said.issued else {
        return lines(&[("grant", "1".to_string()), realm, ("by", hex(&said.by[0])), key, until]);
    };
    let mut pairs =
        vec![("grant", "2".to_string()), realm, key, ("issued", issued.to_string()), until];
    pairs.extend(said.by.iter().map(|by| ("by", hex(by))));
    pairs.push(("id", hex(&said.id)));
    lines(&pairs)
}

fn charter_text(said: &Charter) -> String {
    let mut pairs = vec![
        ("charter", "1".to_string()),
        ("realm", said.realm.clone()),
        ("number", said.number.to_string()),
        ("issued", said.issued.to_string()),
    ];
    pairs.extend(said.owners.iter().map(|owner| ("owner", hex(owner))));
    pairs.push(("threshold", said.threshold.to_string()));
    pairs.extend(said.revoked.iter().map(|id| ("revoked", hex(id))));
    pairs.extend(said.by.iter().map(|by| ("by", hex(by))));
    pairs.push(("id", hex(&said.id)));
    lines(&pairs)
}

fn lines(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(name, what)| format!("{name} {what}\n")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decimal, with the fewest digits that give the same float again, and without an exponent.
fn plain(number: impl Display) -> String {
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

// ---- the vectors that Cambrian writes
// ------------------------------------------------------------

fn ours() -> Vec<Vector> {
    let (full, wide) = (full(), wide());
    let (weights, structure) = (other_weights(&full), other_structure(&full));
    let (shape, layer) = (other_shape(&full), other_layer(&full));
    let genotypes = [
        ("smallest", &smallest()),
        ("full", &full),
        ("wide", &wide),
        ("weights", &weights),
        ("structure", &structure),
        ("shape", &shape),
        ("layer", &layer),
    ];
    let differences = [
        ("weights", &full, &weights),
        ("structure", &full, &structure),
        ("shape", &full, &shape),
        ("layer", &full, &layer),
        ("back", &shape, &full),
        ("same", &full, &full),
        ("wide", &full, &wide),
    ];
    let mut vectors: Vec<Vector> =
        genotypes.map(|(name, genotype)| genotype_vector(name, genotype)).into();
    vectors.extend(differences.map(|(name, base, target)| difference_vector(name, base, target)));
    vectors.extend(certificates());
    vectors.extend(envelopes(&full, &weights));
    vectors
}

fn genotype_vector(name: &str, genotype: &Genotype) -> Vector {
    let bytes = codec::encode(genotype);
    let text = genotype_text(genotype, &bytes);
    (format!("{name}.genotype"), bytes, text)
}

fn difference_vector(name: &str, base: &Genotype, target: &Genotype) -> Vector {
    let ids = [("base", hex(&codec::id(base))), ("target", hex(&codec::id(target)))];
    let text = lines(&[("difference", "1".to_string())]) + &lines(&ids);
    (format!("{name}.difference"), delta::diff(base, target), text)
}

const SHARED: &str = "org.example.実験";

/// A grant as earlier releases wrote it: of one key, and without an issue time.
fn grant() -> (Grant, Vec<u8>) {
    let (by, key) = (identity::public_key(&REALM), identity::public_key(&SECRET));
    let body = pack(&(1u64, SHARED, ByteArray::new(by), ByteArray::new(key), 1_900_000_000_000u64));
    let signature = Signer::new(&REALM).sign("cambrian grant 1\n", &body);
    let id = Sha256::digest(&body).into();
    let said = Grant {
        realm: SHARED.into(),
        key,
        issued: None,
        until: 1_900_000_000_000,
        by: vec![by],
        id,
    };
    (said, pack(&(ByteBuf::from(body), ByteArray::new(signature))))
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).unwrap()
}

fn certificates() -> [Vector; 4] {
    let (said, bytes) = grant();
    let (old, new) = (identity::public_key(&SECRET), identity::public_key(&HEIR));
    let heir = Succession { old, new, time: 1_800_000_000_001 };
    let (shared, charter) = (shared_grant(&new), charter(&old, &new));
    let shared_text = grant_text(&Grant::read(&shared).unwrap());
    let text = charter_text(&Charter::read(&charter).unwrap());
    [
        ("leave.grant".into(), bytes, grant_text(&said)),
        ("shared.grant".into(), shared, shared_text),
        ("owners.charter".into(), charter, text),
        (
            "heir.succession".into(),
            Succession::seal(&Signer::new(&SECRET), &Signer::new(&HEIR), heir.time),
            succession_text(&heir),
        ),
    ]
}

/// A grant of two owners.
fn shared_grant(key: &[u8; 32]) -> Vec<u8> {
    let times = (1_800_000_000_000, 1_801_000_000_000);
    let grant = Grant::seal(&Signer::new(&REALM), SHARED, key, times).unwrap();
    Grant::cosign(&grant, &Signer::new(&SECRET)).unwrap()
}

fn charter(owner: &[u8; 32], revoked: &[u8; 32]) -> Vec<u8> {
    let mut charter = Charter {
        realm: SHARED.into(),
        number: 7,
        issued: 1_800_000_000_002,
        owners: vec![identity::public_key(&REALM), *owner],
        threshold: 2,
        revoked: vec![*revoked, [0xab; 32]],
        by: vec![],
        id: [0; 32],
    };
    charter.owners.sort();
    charter.revoked.sort();
    Charter::cosign(&charter.seal(&Signer::new(&REALM)).unwrap(), &Signer::new(&SECRET)).unwrap()
}

fn envelopes(full: &Genotype, weights: &Genotype) -> [Vector; 3] {
    let plain = Claims {
        realm: "org.example.実験".into(),
        task: "xor".into(),
        fitness: 2.87,
        generation: 0,
        parents: vec![],
        operators: vec![],
        grant: None,
        sequence: 1,
        time: 1_800_000_000_000,
    };
    let long = Claims {
        fitness: -1.25e-7,
        generation: u64::MAX,
        parents: vec![codec::id(full), codec::id(&smallest())],
        operators: vec!["crossover".into(), "perturb_weights".into()],
        grant: Some(grant().1),
        sequence: 1 << 32,
        time: 1 << 53,
        ..plain.clone()
    };
    let whole = envelope::seal(&plain, full, None, &Signer::new(&SECRET)).unwrap();
    let difference = envelope::seal(&long, weights, Some(full), &Signer::new(&SECRET)).unwrap();
    let record = envelope::read(&difference).unwrap().record;
    let opens = |genotype| lines(&[("opens", hex(&codec::id(genotype)))]);
    let whole_text =
        claims_text("envelope", &envelope::read(&whole).unwrap().record) + &opens(full);
    let difference_text = claims_text("envelope", &record) + &opens(weights);
    [
        ("whole.envelope".into(), whole, whole_text),
        ("difference.envelope".into(), difference, difference_text),
        ("difference.record".into(), record.to_bytes(), claims_text("record", &record)),
    ]
}

fn built(inputs: u32, outputs: u32, hidden: Vec<Node>, mut links: Vec<Connection>) -> Genotype {
    let neuron = Neuron::new(Activation::Sigmoid);
    let first = (0..inputs).map(|i| Node {
        id: innovation::input(i),
        layer: BOTTOM,
        neuron: Neuron::INPUT,
    });
    let last = (0..outputs).map(|j| Node { id: innovation::output(j), layer: TOP, neuron });
    let mut nodes: Vec<Node> = first.chain(hidden).chain(last).collect();
    nodes.sort_by_key(|node| (node.layer, node.id));
    links.sort_by_key(|link| link.id);
    Genotype::from_genes(inputs, outputs, nodes, links).unwrap()
}

fn smallest() -> Genotype {
    built(1, 1, vec![], vec![Connection::new(innovation::input(0), innovation::output(0), 0.1)])
}

/// Splits of a forward and of a recurrent connection, loops, and unusual values of every gene.
fn full() -> Genotype {
    let (i, o) = ([0, 1, 2].map(innovation::input), [0, 1].map(innovation::output));
    let (forward, back) = (innovation::connection(i[0], o[0]), innovation::connection(o[1], o[1]));
    let [a, b, c] =
        [innovation::split(forward, 0), innovation::split(forward, 1), innovation::split(back, 0)];
    let neurons = [
        Neuron {
            aggregation: Aggregation::Median,
            bias: -0.0,
            gain: 0.25,
            dynamics: Dynamics::Delay,
            time_constant: 63.5,
            ..Neuron::new(Activation::Exp)
        },
        Neuron {
            aggregation: Aggregation::MaxAbs,
            bias: 1e6,
            dynamics: Dynamics::Cfc,
            time_constant: 0.01,
            plasticity: Plasticity::Reward,
            learning_rate: -1.0,
            decay: 1.0,
            ..Neuron::new(Activation::Swish)
        },
        Neuron { plasticity: Plasticity::Oja, learning_rate: 0.05, decay: 0.001, ..Neuron::INPUT },
    ];
    let node = |(id, neuron)| Node { id, layer: TOP / 2, neuron };
    let on = Connection::new;
    let off = |from, to, weight| Connection { enabled: false, ..on(from, to, weight) };
    let links = vec![
        off(i[0], o[0], 0.1),
        on(i[0], a, 1.0),
        on(a, o[0], 0.1),
        on(i[1], b, -0.0),
        on(b, o[0], 1e-45),
        off(o[1], o[1], -2.5),
        on(o[1], c, 1e6),
        on(c, o[1], -1e6),
        on(a, a, 0.333_333_34),
        on(i[2], o[1], 16_777.217),
    ];
    built(3, 2, [a, b, c].into_iter().zip(neurons).map(node).collect(), links)
}

/// More nodes than a byte can number.
fn wide() -> Genotype {
    let link =
        |n: u32| Connection::new(innovation::input(n), innovation::output(n % 4), n as f32 / 7.0);
    built(260, 4, vec![], (0..260).step_by(9).map(link).collect())
}

fn other_weights(full: &Genotype) -> Genotype {
    let links = full.connections().zip(0..);
    let links = links
        .map(|(link, nth)| if nth % 4 == 0 { Connection { weight: 0.375, ..link } } else { link });
    Genotype::from_genes(full.inputs(), full.outputs(), full.nodes().collect(), links.collect())
        .unwrap()
}

/// The genotype without one node, with another node, and with a connection reversed.
fn other_structure(full: &Genotype) -> Genotype {
    let hidden: Vec<Node> =
        full.nodes().filter(|node| node.layer > BOTTOM && node.layer < TOP).collect();
    let gone = hidden[0].id;
    let id: NodeId = innovation::split(full.connections().next().unwrap().id, 7);
    let new = Node {
        id,
        layer: TOP / 4,
        neuron: Neuron { gain: 2.0, ..Neuron::new(Activation::Softplus) },
    };
    let mut links: Vec<Connection> =
        full.connections().filter(|link| link.from != gone && link.to != gone).collect();
    let output = innovation::output(0);
    links.extend([Connection::new(output, id, -0.125), Connection::new(id, output, 0.75)]);
    built(3, 2, vec![hidden[1], hidden[2], new], links)
}

/// The genotype with one input more and one output less.
fn other_shape(full: &Genotype) -> Genotype {
    let gone = innovation::output(1);
    let hidden = full.nodes().filter(|node| node.layer > BOTTOM && node.layer < TOP).collect();
    let links = full.connections().filter(|link| link.from != gone && link.to != gone).collect();
    built(4, 1, hidden, links)
}

/// The genotype with a node on another layer, so that its connections have the same ids but other
/// genes.
fn other_layer(full: &Genotype) -> Genotype {
    let mut hidden: Vec<Node> =
        full.nodes().filter(|node| node.layer > BOTTOM && node.layer < TOP).collect();
    hidden[0].layer += 1;
    built(3, 2, hidden, full.connections().collect())
}
