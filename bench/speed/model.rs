//! Networks and populations in no library's terms, so that all are given the same ones.

/// SplitMix64 (Steele, Lea & Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0 ≤ u < 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// Uniform within ± `scale`.
    fn weight(&mut self, scale: f64) -> f32 {
        ((2.0 * self.unit() - 1.0) * scale) as f32
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub weight: f32,
}

/// Nodes are numbered: inputs, then hidden nodes in an order in which every link leads forwards,
/// then outputs. Every node that is no input is tanh without a bias; links are sorted by (from,
/// to).
#[derive(Clone, Debug)]
pub struct Net {
    pub inputs: usize,
    pub hidden: usize,
    pub outputs: usize,
    pub links: Vec<Link>,
}

pub const INPUTS: usize = 8;
pub const OUTPUTS: usize = 4;

impl Net {
    pub fn nodes(&self) -> usize {
        self.inputs + self.hidden + self.outputs
    }

    fn new(hidden: usize, mut pairs: Vec<(usize, usize)>, random: &mut Random) -> Net {
        pairs.sort_unstable();
        let links = pairs
            .into_iter()
            .map(|(from, to)| Link { from, to, weight: random.weight(1.0) })
            .collect();
        Net { inputs: INPUTS, hidden, outputs: OUTPUTS, links }
    }

    /// One hidden layer: every input to every hidden node, and two links from each of those to
    /// outputs. 100 hidden nodes are 1,000 links.
    pub fn layered(hidden: usize, seed: u64) -> Net {
        let mut random = Random::new(seed);
        let mut pairs: Vec<_> =
            (0..INPUTS).flat_map(|i| (0..hidden).map(move |h| (i, INPUTS + h))).collect();
        for h in 0..hidden {
            let first = random.below(OUTPUTS);
            let second = (first + 1 + random.below(OUTPUTS - 1)) % OUTPUTS;
            pairs.extend([first, second].map(|o| (INPUTS + h, INPUTS + hidden + o)));
        }
        Net::new(hidden, pairs, &mut random)
    }

    /// Every input to every hidden node, every hidden node to every output.
    pub fn full(inputs: usize, hidden: usize, outputs: usize) -> Net {
        let into = (0..inputs).flat_map(|i| (0..hidden).map(move |h| (i, inputs + h)));
        let out =
            (0..hidden).flat_map(|h| (0..outputs).map(move |o| (inputs + h, inputs + hidden + o)));
        let net = Net::new(hidden, into.chain(out).collect(), &mut Random::new(1));
        Net { inputs, outputs, ..net }
    }

    /// As evolution makes them: links between any earlier and any later node. Every hidden node has
    /// a way in and a way out, since some libraries leave out those that have not.
    pub fn deep(hidden: usize, links: usize, seed: u64) -> Net {
        let mut random = Random::new(seed);
        let mut all = forward_pairs(hidden);
        random.shuffle(&mut all);
        let (mut chosen, mut rest) = (Vec::new(), Vec::new());
        let (mut entered, mut left) =
            (vec![false; INPUTS + hidden + OUTPUTS], vec![false; INPUTS + hidden]);
        for (from, to) in all {
            let needed = !entered[to] || !left[from];
            (entered[to], left[from]) = (true, true);
            if needed { chosen.push((from, to)) } else { rest.push((from, to)) }
        }
        assert!(chosen.len() <= links, "{links} links cannot join {hidden} hidden nodes");
        chosen.extend_from_slice(&rest[..links - chosen.len()]);
        Net::new(hidden, chosen, &mut random)
    }

    /// Another of the same family: `share` of the links replaced, every weight moved within ±
    /// `step`. No node loses its only way in or out.
    fn relative(&self, share: f64, step: f64, random: &mut Random) -> Net {
        let (mut ins, mut outs) = (vec![0; self.nodes()], vec![0; self.nodes()]);
        for l in &self.links {
            ins[l.to] += 1;
            outs[l.from] += 1;
        }
        let mut stays = |l: &&Link| {
            let goes = random.unit() < share && ins[l.to] > 1 && outs[l.from] > 1;
            if goes {
                ins[l.to] -= 1;
                outs[l.from] -= 1;
            }
            !goes
        };
        let mut pairs: Vec<Link> = self.links.iter().filter(&mut stays).copied().collect();
        let (computed, nodes) = (self.inputs + self.hidden, self.nodes());
        while pairs.len() < self.links.len() {
            let from = random.below(computed);
            let first = self.inputs.max(from + 1);
            let to = first + random.below(nodes - first);
            if !pairs.iter().any(|l| (l.from, l.to) == (from, to)) {
                pairs.push(Link { from, to, weight: 0.0 });
            }
        }
        pairs.iter_mut().for_each(|l| l.weight += random.weight(step));
        pairs.sort_unstable_by_key(|l| (l.from, l.to));
        Net { links: pairs, ..self.clone() }
    }

    /// `[[from, to, weight], ...]` and the numbers of nodes, for programs in other languages.
    pub fn json(&self) -> String {
        let links: Vec<String> =
            self.links.iter().map(|l| format!("[{},{},{}]", l.from, l.to, l.weight)).collect();
        let Net { inputs, hidden, outputs, .. } = self;
        let links = links.join(",");
        format!(r#"{{"inputs":{inputs},"hidden":{hidden},"outputs":{outputs},"links":[{links}]}}"#)
    }
}

/// Every (from, to) that leads forwards, in order.
pub fn forward_pairs(hidden: usize) -> Vec<(usize, usize)> {
    let (computed, nodes) = (INPUTS + hidden, INPUTS + hidden + OUTPUTS);
    (0..computed).flat_map(|from| (INPUTS.max(from + 1)..nodes).map(move |to| (from, to))).collect()
}

/// `count` networks in `families`: within one, weights differ by about 1 and a twentieth of the
/// links; between two, weights by about 10 and a third of the links. A threshold half-way makes
/// every family a species, and keeps them apart over many generations of mutations of standard
/// deviation 1.
pub fn population(
    count: usize,
    families: usize,
    hidden: usize,
    links: usize,
    seed: u64,
) -> Vec<Net> {
    let mut random = Random::new(seed);
    let ancestor = Net::deep(hidden, links, seed);
    let heads: Vec<Net> =
        (0..families).map(|_| ancestor.relative(0.3, 15.0, &mut random)).collect();
    (0..count).map(|i| heads[i % families].relative(0.05, 1.0, &mut random)).collect()
}

pub const FAMILIES: usize = 30;

/// How many species a population falls into.
#[derive(Clone, Copy, PartialEq)]
pub enum Species {
    One,
    /// As many as there are families.
    Families,
    /// As many as there are genotypes.
    Own,
}

impl Species {
    pub fn name(self) -> &'static str {
        match self {
            Species::One => "one species",
            Species::Families => "tens of species",
            Species::Own => "a species each",
        }
    }

    /// For a distance of c₁ = c₂ = c₃ = 1.
    pub fn threshold(self) -> f32 {
        match self {
            Species::One => 1000.0,
            Species::Families => 6.0,
            Species::Own => 0.01,
        }
    }
}

/// Rows of inputs within ±1.
pub fn inputs(rows: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..rows * INPUTS).map(|_| random.weight(1.0)).collect()
}
