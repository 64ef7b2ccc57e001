//! What each fuzz target does with its bytes. `tests/fuzz_seeds.rs` does the same with every seed,
//! on stable Rust.

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::formats::json;
use cambrian_core::formats::neat_python;
use cambrian_core::genome::genotype::{Genotype, Node};
use cambrian_core::genome::innovation::{BOTTOM, TOP};
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::variation::mutation::OPERATORS;
use cambrian_core::wire::codec;
use cambrian_core::wire::delta;
use cambrian_core::wire::envelope::{self, Claims, EnvelopeError, Record};
use cambrian_core::wire::identity::{
    self, CertificateError, Charter, Grant, Secret, Signer, Succession,
};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf, Bytes};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Signs what is to be read behind a signature.
const SECRET: Secret = [7; 32];
const HEIR: Secret = [8; 32];

/// Bytes that are a genotype have one spelling, or are of an earlier schema.
pub fn decode(bytes: &[u8]) {
    let Ok(genotype) = codec::decode(bytes) else { return };
    let today = codec::encode(&genotype);
    assert_eq!(codec::decode(&today).as_ref(), Ok(&genotype));
    if bytes[1] == codec::VERSION as u8 {
        assert_eq!(today, bytes);
    }
}

/// A text that is a genotype is one that can be written and read, to the bit; so is what another
/// library wrote.
pub fn json(bytes: &[u8]) {
    for genotype in [json::read(bytes), neat_python::read(bytes)].into_iter().flatten() {
        let again = json::read(&json::write(&genotype, None)).unwrap();
        assert_eq!(codec::encode(&again), codec::encode(&genotype));
    }
}

/// A difference gives the genotype that it names, or none.
pub fn patch(bytes: &[u8]) {
    let mut input = Input(bytes);
    let base = &BASES[input.below(BASES.len())];
    match input.byte() % 2 {
        0 => patched(base, input.0),
        _ => patched(base, &almost_valid(base, &mut input)),
    }
}

/// Nothing is opened but what was sealed.
pub fn envelope(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 8 {
        0 => read_all(input.0),
        1 => read_all(&signed("cambrian envelope 2\n", &input.some(), Some(input.0))),
        2 => read_all(&signed("cambrian envelope 2\n", input.0, None)),
        3 => read_all(&with_payload(&mut input)),
        4 => sealed(&mut input),
        5 => read_all(&signed("cambrian grant 1\n", input.0, None)),
        6 => read_all(&signed_by_both(input.0)),
        _ => certified(&mut input),
    }
}

// ---- choices ------------------------------------------------------------------------------------

/// Choices off the front; nought where nothing is left.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, size: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(size.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn word<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        std::array::from_fn(|at| taken.get(at).copied().unwrap_or(0))
    }

    fn byte(&mut self) -> u8 {
        self.word::<1>()[0]
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(u16::from_le_bytes(self.word())) % count.max(1)
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.word())
    }

    /// As many as the first byte says.
    fn some(&mut self) -> Vec<u8> {
        let size = usize::from(self.byte());
        self.take(size).to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.some()).into_owned()
    }
}

// ---- genotypes ----------------------------------------------------------------------------------

/// One of a single connection, some that grew, one with indexes of two bytes.
static BASES: LazyLock<Vec<Genotype>> = LazyLock::new(|| {
    let newborn = |inputs, outputs| {
        let sparse = Parameters {
            initial_connections: if inputs > 9 { 0.02 } else { 1.0 },
            ..Parameters::default()
        };
        Genotype::new(inputs, outputs, &sparse, &mut stream(1)).unwrap()
    };
    let grows = |at: &u8| !OPERATORS[usize::from(*at)].name.starts_with("remove");
    let growth: Vec<u8> = (0..OPERATORS.len() as u8).filter(grows).collect();
    let grown =
        |inputs, outputs, times| evolved(&newborn(inputs, outputs), &growth.repeat(times), 1);
    let bases = vec![newborn(1, 1), grown(2, 1, 2), grown(3, 2, 8), grown(250, 8, 2)];
    assert!(bases[1..].iter().all(|base| base.hidden() > 1 && base.recurrent() > 0));
    bases
});

fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Operator, 0, 0)
}

/// Applies operators by number; those that do not apply change nothing.
fn evolved(genotype: &Genotype, operators: &[u8], seed: u64) -> Genotype {
    operators.iter().zip(0..).fold(genotype.clone(), |g, (operator, nth)| {
        OPERATORS[usize::from(*operator) % OPERATORS.len()]
            .apply(&g, &Parameters::default(), &mut stream(seed ^ nth << 32))
            .unwrap_or(g)
    })
}

// ---- differences --------------------------------------------------------------------------------

fn patched(base: &Genotype, delta: &[u8]) {
    let Ok(target) = delta::patch(base, delta) else { return };
    assert_eq!(delta::ends(delta), Some((codec::id(base), codec::id(&target))));
    assert_eq!(delta::patch(base, &delta::diff(base, &target)), Ok(target));
}

/// The array of a difference.
#[derive(Serialize, Deserialize)]
struct Difference {
    version: u64,
    base: ByteBuf,
    target: ByteBuf,
    inputs: u32,
    outputs: u32,
    gone_nodes: Vec<u32>,
    ids: ByteBuf,
    layers: ByteBuf,
    gone_connections: Vec<u32>,
    froms: ByteBuf,
    tos: ByteBuf,
    values: ByteBuf,
}

/// A valid one in which some fields were changed.
fn almost_valid(base: &Genotype, input: &mut Input) -> Vec<u8> {
    let operators = input.some();
    let operators = &operators[..operators.len().min(8)];
    let target = moved(&evolved(base, operators, input.number()), input);
    let delta = delta::diff(base, &target);
    assert_eq!(delta::patch(base, &delta).as_ref(), Ok(&target));
    let mut difference: Difference = rmp_serde::from_slice(&delta).unwrap();
    for _ in 0..input.byte() % 4 {
        change(&mut difference, &target, input);
    }
    rmp_serde::to_vec(&difference).unwrap()
}

/// Perhaps with one hidden node on another layer.
fn moved(genotype: &Genotype, input: &mut Input) -> Genotype {
    let (nth, layer) = (input.below(4), 1 + input.number() % (TOP - 1));
    let mut nodes: Vec<Node> = genotype.nodes().collect();
    let hidden = nodes.iter_mut().filter(|node| node.layer > BOTTOM && node.layer < TOP);
    hidden.take(nth % 2).for_each(|node| node.layer = layer);
    nodes.sort_by_key(|node| (node.layer, node.id));
    Genotype::from_genes(
        genotype.inputs(),
        genotype.outputs(),
        nodes,
        genotype.connections().collect(),
    )
    .unwrap()
}

fn change(difference: &mut Difference, target: &Genotype, input: &mut Input) {
    match input.byte() % 9 {
        0 => difference.inputs = u32::from_le_bytes(input.word()),
        1 => difference.outputs = u32::from_le_bytes(input.word()),
        2 => edit(&mut difference.gone_nodes, input),
        3 => edit(&mut difference.gone_connections, input),
        4 => {
            difference.ids.extend(input.word::<8>());
            difference.layers.extend(input.word::<8>());
        }
        5 => {
            let width =
                if difference.froms.len().is_multiple_of(2) { 1 + input.below(2) } else { 1 };
            difference.froms.extend(input.take(width));
            difference.tos.extend(input.take(width));
        }
        6 => {
            let size = input.below(difference.ids.len());
            difference.ids.truncate(size);
        }
        7 => difference.values = ByteBuf::from(input.some()),
        _ => difference.values = values(target, input),
    }
}

fn edit(indexes: &mut Vec<u32>, input: &mut Input) {
    let (at, index) = (input.below(indexes.len() + 1), u32::from(input.byte()));
    match input.byte() % 3 {
        0 => indexes.insert(at, index),
        1 => indexes.truncate(at),
        _ => indexes.extend(at.checked_sub(1).map(|at| indexes[at].wrapping_add(index))),
    }
}

/// Of as many bytes as the target has values, or some more or fewer, nearly all nought.
fn values(target: &Genotype, input: &mut Input) -> ByteBuf {
    let (connections, neurons) =
        (target.connections().len(), target.hidden() + target.outputs() as usize);
    let size = 24 * neurons + 4 * connections + connections.div_ceil(8);
    let mut values = vec![0; (size + input.below(3)).saturating_sub(1)];
    for _ in 0..input.byte() % 16 {
        let at = input.below(values.len());
        values.get_mut(at).into_iter().for_each(|value| *value = input.byte());
    }
    ByteBuf::from(frame(&values))
}

/// A zstd frame that says its size and packs nothing.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    frame.extend((bytes.len() as u32).to_le_bytes());
    let blocks: Vec<&[u8]> = bytes.chunks(1 << 16).collect();
    for (nth, block) in (1..).zip(&blocks) {
        let head = (block.len() as u32) << 3 | u32::from(nth == blocks.len());
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

// ---- envelopes and certificates -----------------------------------------------------------------

/// As an envelope, a record and each certificate.
fn read_all(bytes: &[u8]) {
    opened(bytes);
    if let Ok(record) = Record::peek(bytes) {
        assert_eq!(record.to_bytes(), bytes);
        let read = Record::from_bytes(bytes);
        assert!(read == Err(EnvelopeError::BadSignature) || read == Ok(record));
    }
    certificate(bytes);
}

/// One of our keys is as we write it.
fn certificate(bytes: &[u8]) {
    let [ours, heir] = [&SECRET, &HEIR].map(identity::public_key);
    match (Succession::read(bytes), Grant::read(bytes)) {
        (Ok(said), _) if (said.old, said.new) == (ours, heir) => {
            assert_eq!(
                Succession::seal(&Signer::new(&SECRET), &Signer::new(&HEIR), said.time),
                bytes
            );
        }
        (_, Ok(Grant { realm, key, issued: Some(issued), until, by, .. })) if by == [ours] => {
            let again = Grant::seal(&Signer::new(&SECRET), &realm, &key, (issued, until));
            assert_eq!(again.as_deref(), Ok(bytes));
        }
        _ => {}
    }
    if let Ok(said) = Charter::peek(bytes) {
        let read = Charter::read(bytes);
        assert!(read == Err(CertificateError::BadSignature) || read == Ok(said));
    }
}

fn opened(bytes: &[u8]) {
    let Ok(envelope) = envelope::read(bytes) else { return };
    let base = BASES.iter().find(|base| envelope.record.base == Some(codec::id(base)));
    let Ok(genotype) = envelope.open(base) else { return };
    let record = Record::from_bytes(&envelope.record.to_bytes());
    assert_eq!(record.as_ref(), Ok(&envelope.record));
    assert_eq!(codec::decode(&codec::encode(&genotype)), Ok(genotype));
}

/// A body with its signature, and a payload where there is one.
fn signed(context: &str, body: &[u8], payload: Option<&[u8]>) -> Vec<u8> {
    let signature = ByteArray::new(Signer::new(&SECRET).sign(context, body));
    let body = Bytes::new(body);
    match payload {
        Some(payload) => rmp_serde::to_vec(&(body, signature, Bytes::new(payload))),
        None => rmp_serde::to_vec(&(body, signature)),
    }
    .unwrap()
}

fn signed_by_both(body: &[u8]) -> Vec<u8> {
    let signature =
        |secret| ByteArray::new(Signer::new(secret).sign("cambrian succession 1\n", body));
    rmp_serde::to_vec(&(Bytes::new(body), signature(&SECRET), signature(&HEIR))).unwrap()
}

/// Any payload, whole or a difference, under sound claims.
fn with_payload(input: &mut Input) -> Vec<u8> {
    let base = match input.byte() % 2 {
        0 => None,
        _ => Some(codec::id(&BASES[input.below(BASES.len())])),
    };
    let packed = input.byte().is_multiple_of(2);
    let id: [u8; 32] = match packed && base.is_none() {
        true => Sha256::digest(input.0).into(),
        false => delta::ends(input.0).map_or([1; 32], |(_, target)| target),
    };
    let payload = if packed { frame(input.0) } else { input.0.to_vec() };
    let claims = Body {
        version: envelope::VERSION,
        kind: "genotype",
        realm: "realm",
        task: "task",
        genotype: ByteArray::new(id),
        base: base.map(ByteArray::new),
        digest: ByteArray::new(Sha256::digest(&payload).into()),
        fitness: 1.5,
        generation: 4,
        parents: [],
        operators: [],
        origin: ByteArray::new(identity::public_key(&SECRET)),
        grant: None,
        sequence: 7,
        time: 8,
    };
    signed("cambrian envelope 2\n", &rmp_serde::to_vec(&claims).unwrap(), Some(&payload))
}

/// The array of claims.
#[derive(Serialize)]
struct Body {
    version: u64,
    kind: &'static str,
    realm: &'static str,
    task: &'static str,
    genotype: ByteArray<32>,
    base: Option<ByteArray<32>>,
    digest: ByteArray<32>,
    fitness: f64,
    generation: u64,
    parents: [u8; 0],
    operators: [u8; 0],
    origin: ByteArray<32>,
    grant: Option<ByteArray<32>>,
    sequence: u64,
    time: u64,
}

/// Claims of any kind around a genotype: what is sealed is opened.
fn sealed(input: &mut Input) {
    let base = &BASES[input.below(BASES.len())];
    let with_base = input.byte() % 2 == 1;
    let operators = input.some();
    let genotype = evolved(base, &operators[..operators.len().min(8)], input.number());
    let claims = claims(input);
    let Ok(bytes) =
        envelope::seal(&claims, &genotype, with_base.then_some(base), &Signer::new(&SECRET))
    else {
        return;
    };
    let envelope = envelope::read(&bytes).unwrap();
    assert_eq!(envelope.record.claims, claims);
    assert_eq!(envelope.open(Some(base)).as_ref(), Ok(&genotype));
    assert_eq!(Record::from_bytes(&envelope.record.to_bytes()).as_ref(), Ok(&envelope.record));
}

fn claims(input: &mut Input) -> Claims {
    Claims {
        realm: input.text(),
        task: input.text(),
        fitness: f64::from_bits(input.number()),
        generation: input.number(),
        parents: (0..input.byte() % 10).map(|_| input.word()).collect(),
        operators: (0..input.byte() % 34).map(|_| input.text()).collect(),
        grant: (input.byte() % 2 == 1).then(|| input.some()),
        sequence: input.number(),
        time: input.number(),
    }
}

fn certified(input: &mut Input) {
    let time = input.number();
    let succession =
        Succession::read(&Succession::seal(&Signer::new(&SECRET), &Signer::new(&HEIR), time))
            .unwrap();
    assert_eq!(succession.time, time);
    let (key, realm) = (input.word(), input.text());
    let Ok(bytes) = Grant::seal(&Signer::new(&SECRET), &realm, &key, (time, time)) else { return };
    let said = Grant::read(&bytes).unwrap();
    assert_eq!((said.realm, said.key, said.issued, said.until), (realm, key, Some(time), time));
    assert_eq!(said.by, [identity::public_key(&SECRET)]);
}
