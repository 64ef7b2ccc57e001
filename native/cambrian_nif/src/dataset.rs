//! cambrian_task: reads the data of a dataset.
//!
//! An error is returned as a reason, which can contain a term of the caller.

use crate::atoms;
use crate::error::{self, bad_option, unknown_option};
use crate::term::{binary, settings_of};
use cambrian_core::base::math::LIMIT;
use cambrian_core::base::memory::{self, TooLarge};
use cambrian_core::task::{
    self, Dataset, DatasetError, Held, Label, Learning, Loss, Rows, Targets,
};
use cambrian_core::task::{Task, Weights};
use rustler::types::ListIterator;
use rustler::{Atom, Binary, Encoder, Env, Term, TermType};
use std::sync::Arc;

type Read<'a, T> = Result<T, Term<'a>>;

/// The complete contents of a dataset.
struct Data {
    inputs: Rows,
    targets: Targets,
    learning: Learning,
}

/// Reads `#{inputs, targets, kind, validation, seed, loss, weights}`; the last five are optional.
pub fn read<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, Arc<dyn Task>> {
    let Data { inputs, targets, learning } = data(env, settings)?;
    let bad_setting =
        |name, error: DatasetError| bad_option(env, settings, name, &error.expected());
    match Dataset::with(inputs, targets, &learning) {
        Ok(dataset) => Ok(Arc::new(dataset)),
        Err(error @ DatasetError::Validation) => Err(bad_setting(atoms::validation(), error)),
        Err(error @ DatasetError::Loss) => Err(bad_setting(atoms::loss(), error)),
        Err(error @ DatasetError::Weights(_)) => Err(bad_setting(atoms::weights(), error)),
        Err(error @ DatasetError::Count { inputs, targets }) => {
            Err(bad(env, atoms::rows(), (inputs, targets), &error.expected()))
        }
        Err(error) => Err(bad(env, atoms::dataset(), atoms::numbers(), &error.expected())),
    }
}

/// `{ok, Hash}` of 32 bytes, or `{error, Reason}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn dataset_id<'a>(env: Env<'a>, settings: Term<'a>) -> Term<'a> {
    answer(env, data(env, settings), |Data { inputs, targets, learning }| {
        binary(env, &task::fingerprint(&inputs, &targets, &learning))
    })
}

/// `{ok, [Class]}` in the order of the outputs, empty for a regression; or `{error, Reason}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn dataset_classes<'a>(env: Env<'a>, settings: Term<'a>) -> Term<'a> {
    let targets = check_names(env, settings)
        .and_then(|[_, targets]| Ok((targets, kind(env, settings)?)))
        .and_then(|(term, kind)| targets(env, term, kind));
    answer(env, targets, |targets| {
        targets
            .labels()
            .iter()
            .map(|label| show_label(env, label))
            .collect::<Vec<Term>>()
            .encode(env)
    })
}

/// The places 0 to `count` - 1 in an order drawn with the seed, in a binary of 32-bit integers.
/// Each group of rows has an order of its own.
#[rustler::nif(schedule = "DirtyCpu")]
fn dataset_order<'a>(env: Env<'a>, count: u32, seed: u64, group: u64) -> Term<'a> {
    if memory::check(memory::product(&[count as usize, size_of::<u32>() * COPIES])).is_err() {
        return atoms::memory().encode(env);
    }
    let order = task::order(count as usize, seed, group);
    binary(env, &order.into_iter().flat_map(u32::to_ne_bytes).collect::<Vec<u8>>())
}

fn answer<'a, T>(env: Env<'a>, read: Read<'a, T>, show: impl FnOnce(T) -> Term<'a>) -> Term<'a> {
    match read {
        Ok(read) => (atoms::ok(), show(read)).encode(env),
        Err(reason) => (atoms::error(), reason).encode(env),
    }
}

fn data<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, Data> {
    let [inputs, targets_term] = check_names(env, settings)?;
    let kind = kind(env, settings)?;
    let learning = learning(env, settings, kind)?;
    memory::check(memory::product(&[size(inputs).saturating_add(size(targets_term)), COPIES]))
        .map_err(|TooLarge { wanted, allowed }| {
            let expected = format!("at most {allowed} bytes (memory_limit)");
            bad(env, atoms::memory(), wanted, &expected)
        })?;
    let inputs = Reader { env, part: atoms::inputs() }.rows(inputs)?;
    Ok(Data { inputs, targets: targets(env, targets_term, kind)?, learning })
}

fn learning<'a>(env: Env<'a>, settings: Term<'a>, kind: Atom) -> Read<'a, Learning> {
    let seeds = "an integer from 0 to 2^64 - 1";
    let seed = setting(env, settings, atoms::seed(), 0, seeds, |term| term.decode().ok())?;
    let all = Held::Share { share: 0.0, seed };
    let shares = "a number from 0 to less than 1, or {last, Rows}";
    let held = setting(env, settings, atoms::validation(), all, shares, |term| held(term, seed))?;
    let losses = if kind == atoms::regression() {
        "squared, absolute or {huber, Delta} with a positive number"
    } else {
        "cross_entropy"
    };
    let loss =
        setting(env, settings, atoms::loss(), Loss::Squared, losses, |term| loss(term, kind))?;
    let all = "equal, balanced or a list of positive numbers, one for each class";
    let weights = setting(env, settings, atoms::weights(), Weights::Equal, all, weights)?;
    Ok(Learning { held, loss, weights })
}

fn held(term: Term, seed: u64) -> Option<Held> {
    match term.decode::<(Atom, usize)>() {
        Ok((name, rows)) => (name == atoms::last()).then_some(Held::Last(rows)),
        Err(_) => {
            let share = number(term).filter(|share| (0.0..1.0).contains(share))?;
            Some(Held::Share { share, seed })
        }
    }
}

/// Of classes, the cross entropy stands where numbers have the square.
fn loss(term: Term, kind: Atom) -> Option<Loss> {
    let squared =
        if kind == atoms::regression() { atoms::squared() } else { atoms::cross_entropy() };
    if let Ok(name) = term.decode::<Atom>() {
        let absolute = kind == atoms::regression() && name == atoms::absolute();
        return match name {
            name if name == squared => Some(Loss::Squared),
            _ => absolute.then_some(Loss::Absolute),
        };
    }
    let (name, delta) = term.decode::<(Atom, Term)>().ok()?;
    let delta = number(delta).filter(|delta| *delta > 0.0 && *delta <= f64::from(LIMIT))?;
    (kind == atoms::regression() && name == atoms::huber()).then_some(Loss::Huber(delta))
}

fn weights(term: Term) -> Option<Weights> {
    if let Ok(name) = term.decode::<Atom>() {
        return match name {
            name if name == atoms::equal() => Some(Weights::Equal),
            _ => (name == atoms::balanced()).then_some(Weights::Balanced),
        };
    }
    term.list_length().ok()?;
    let is_fine = |weight: &f64| *weight > 0.0 && *weight <= f64::from(LIMIT);
    let weight = |term: Term| number(term).filter(is_fine);
    term.decode::<ListIterator>().ok()?.map(weight).collect::<Option<_>>().map(Weights::Given)
}

/// The copies of the data: as read, as it grows, and the held-out part.
const COPIES: usize = 3;

/// The approximate bytes of the numbers, from the first row, because all rows should have its
/// length.
fn size(rows: Term) -> usize {
    if let Ok((_, bytes)) = rows.decode::<(Term, Binary)>() {
        return bytes.len();
    }
    let Ok(count) = rows.list_length() else { return 0 };
    let first = rows.decode::<ListIterator>().ok().and_then(|mut rows| rows.next());
    let width = |row: Term| match row.decode::<Binary>() {
        Ok(bytes) => bytes.len(),
        Err(_) => 4 * row.list_length().unwrap_or(1),
    };
    count.saturating_mul(first.map_or(0, width))
}

fn kind<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, Atom> {
    let kinds = [atoms::regression(), atoms::classification()];
    let kind = |term: Term| term.decode().ok().filter(|kind| kinds.contains(kind));
    setting(env, settings, atoms::kind(), kinds[0], "regression or classification", kind)
}

fn targets<'a>(env: Env<'a>, targets: Term<'a>, kind: Atom) -> Read<'a, Targets> {
    let reader = Reader { env, part: atoms::targets() };
    if kind == atoms::regression() {
        Ok(Targets::Numbers(reader.rows(targets)?))
    } else {
        reader.classes(targets)
    }
}

/// The inputs and the targets.
///
/// # Errors
/// `{unknown_option, Name, Known}`, or `{missing_options, Names}`.
fn check_names<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, [Term<'a>; 2]> {
    let needed = [atoms::inputs(), atoms::targets()];
    let known = [
        needed[0],
        needed[1],
        atoms::kind(),
        atoms::validation(),
        atoms::seed(),
        atoms::loss(),
        atoms::weights(),
    ];
    let is_known = |name: &Term| name.decode().is_ok_and(|name: Atom| known.contains(&name));
    if let Some((name, _)) = settings_of(env, settings)?.find(|(name, _)| !is_known(name)) {
        return Err(unknown_option(env, name, &known));
    }
    if let [Ok(inputs), Ok(targets)] = needed.map(|name| settings.map_get(name)) {
        return Ok([inputs, targets]);
    }
    let missing: Vec<Atom> =
        needed.into_iter().filter(|name| settings.map_get(*name).is_err()).collect();
    Err((atoms::missing_options(), missing).encode(env))
}

/// # Errors
/// `{bad_option, {Name, Value, Expected}}`
fn setting<'a, T>(
    env: Env<'a>,
    settings: Term<'a>,
    name: Atom,
    default: T,
    expected: &str,
    read: impl Fn(Term<'a>) -> Option<T>,
) -> Read<'a, T> {
    match settings.map_get(name) {
        Ok(value) => read(value).ok_or_else(|| bad_option(env, settings, name, expected)),
        Err(_) => Ok(default),
    }
}

fn number(term: Term) -> Option<f64> {
    term.decode().or_else(|_| term.decode().map(|integer: i64| integer as f64)).ok()
}

/// `{bad_dataset, {Where, Got, Expected}}`
fn bad<'a>(env: Env<'a>, place: impl Encoder, got: impl Encoder, expected: &str) -> Term<'a> {
    error::bad(env, atoms::bad_dataset(), place, got, expected)
}

/// Why a row cannot be read: at a column, counted from 0, or as a whole.
struct Fault<'a> {
    column: Option<usize>,
    got: Term<'a>,
    expected: String,
}

impl<'a> Fault<'a> {
    fn of_row(row: Term<'a>) -> Fault<'a> {
        let expected = "a list of numbers or a binary of 32-bit floats".into();
        Fault { column: None, got: shown(row), expected }
    }
}

/// A number or an atom unchanged; of any other term only its type, because data may be large or
/// secret.
fn shown(term: Term) -> Term {
    if term.is_atom() || number(term).is_some() {
        return term;
    }
    let name = match term.get_type() {
        TermType::Binary if term.decode::<Binary>().is_err() => "bitstring".into(),
        other => format!("{other:?}").to_lowercase(),
    };
    Atom::from_str(term.get_env(), &name).unwrap_or(atoms::undefined()).encode(term.get_env())
}

/// Reads the inputs or the targets. An error names the row and the column, counted from 1.
#[derive(Clone, Copy)]
struct Reader<'a> {
    env: Env<'a>,
    part: Atom,
}

impl<'a> Reader<'a> {
    fn bad(self, got: impl Encoder, expected: &str) -> Term<'a> {
        bad(self.env, self.part, got, expected)
    }

    /// `{bad_dataset, {{Part, Row}, Got, Expected}}`, or for a column
    /// `{bad_dataset, {{Part, Row, Column}, Got, Expected}}`
    fn bad_row(self, row: usize, fault: Fault) -> Term<'a> {
        let place = match fault.column {
            Some(column) => (self.part, row + 1, column + 1).encode(self.env),
            None => (self.part, row + 1).encode(self.env),
        };
        bad(self.env, place, fault.got, &fault.expected)
    }

    /// The rows of numbers, or the reason why they are not rows.
    fn new_rows(self, width: usize, numbers: Vec<f32>) -> Read<'a, Rows> {
        Rows::new(width, numbers).map_err(|error| self.bad(width, &error.expected()))
    }

    /// Iterates over a list that is known to be proper, so that the iteration cannot fail.
    fn list(self, term: Term<'a>) -> Read<'a, ListIterator<'a>> {
        let reason = |_| self.bad(shown(term), "lists of rows, or {Width, Binary}");
        term.list_length().and_then(|_| term.decode()).map_err(reason)
    }

    /// Reads `{Width, Binary}`, a list of rows, or a list of numbers, which are rows of length one.
    fn rows(self, term: Term<'a>) -> Read<'a, Rows> {
        if let Ok((width, bytes)) = term.decode::<(usize, Binary)>() {
            return self.packed(width, &bytes);
        }
        let mut list = self.list(term)?.peekable();
        match list.peek() {
            None => self.new_rows(1, Vec::new()),
            Some(first) if first.is_number() => self.single_numbers(list),
            Some(_) => self.separate(list),
        }
    }

    fn packed(self, width: usize, bytes: &[u8]) -> Read<'a, Rows> {
        if !(1..=10_000).contains(&width) || !bytes.len().is_multiple_of(4 * width) {
            return Err(self.bad((width, bytes.len()), &DatasetError::Width.expected()));
        }
        let mut numbers = Vec::with_capacity(bytes.len() / 4);
        let read = append_floats(self.env, bytes, &mut numbers);
        self.check_no_text(bytes, &numbers)?;
        read.map_err(|fault| {
            let at = fault.column.unwrap_or(0);
            self.bad_row(at / width, Fault { column: Some(at % width), ..fault })
        })?;
        self.new_rows(width, numbers)
    }

    fn single_numbers(self, list: impl Iterator<Item = Term<'a>>) -> Read<'a, Rows> {
        let read = |(row, x)| {
            bounded(x).map_err(|fault| self.bad_row(row, Fault { column: None, ..fault }))
        };
        let numbers = list.enumerate().map(read).collect::<Read<Vec<f32>>>()?;
        self.new_rows(1, numbers)
    }

    fn separate(self, rows: impl Iterator<Item = Term<'a>>) -> Read<'a, Rows> {
        let (mut numbers, mut bytes, mut width) = (Vec::new(), Vec::new(), 0);
        for (row, term) in rows.enumerate() {
            let before = numbers.len();
            let read = append(term, &mut numbers, &mut bytes);
            if bytes.len() == 4 * numbers.len() && read.is_err() {
                self.check_no_text(&bytes, &numbers)?;
            }
            read.map_err(|fault| self.bad_row(row, fault))?;
            let length = numbers.len() - before;
            if row == 0 {
                width = length;
            } else if length != width {
                let expected = format!("{width} numbers as in the first row");
                let got = length.encode(self.env);
                return Err(self.bad_row(row, Fault { column: None, got, expected }));
            }
        }
        if bytes.len() == 4 * numbers.len() {
            self.check_no_text(&bytes, &numbers)?;
        }
        self.new_rows(width, numbers)
    }

    /// Refuses a text as packed numbers: all its bytes are printable, and its numbers would be
    /// absurd.
    fn check_no_text(self, bytes: &[u8], numbers: &[f32]) -> Read<'a, ()> {
        let is_absurd = |x: &f32| *x != 0.0 && !(1e-6..=1e6).contains(&x.abs());
        let is_text =
            || bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        if numbers.iter().any(is_absurd) && is_text() {
            let expected = "32-bit floats in its binaries, whose bytes are not all printable";
            return Err(self.bad(atoms::printable_text(), expected));
        }
        Ok(())
    }

    /// Reads a list of labels, or rows with a 1 at the index of the class.
    fn classes(self, term: Term<'a>) -> Read<'a, Targets> {
        let mut list = match self.list(term) {
            Ok(list) => list.peekable(),
            Err(reason) if !term.is_tuple() => return Err(reason),
            Err(_) => return self.one_hot(term),
        };
        let Some(kind) = list.peek().map(|first| label(*first)) else {
            return Err(self.bad_classes(DatasetError::Class(0)));
        };
        let kind = match kind {
            Some(label) => std::mem::discriminant(&label),
            None if list.peek().is_some_and(|first| first.is_list() || first.is_binary()) => {
                return self.one_hot(term);
            }
            None => return Err(self.bad_label(0, list.peek().copied())),
        };
        let read = |(row, x): (usize, Term<'a>)| {
            label(x)
                .filter(|label| std::mem::discriminant(label) == kind)
                .ok_or_else(|| self.bad_label(row, Some(x)))
        };
        let labels = list.enumerate().map(read).collect::<Read<Vec<Label>>>()?;
        Targets::classes(labels).map_err(|error| self.bad_classes(error))
    }

    fn one_hot(self, term: Term<'a>) -> Read<'a, Targets> {
        Targets::one_hot(&self.rows(term)?).map_err(|error| self.bad_classes(error))
    }

    fn bad_classes(self, error: DatasetError) -> Term<'a> {
        match error {
            DatasetError::Class(count) => self.bad(count, &error.expected()),
            DatasetError::OneHot(row) => {
                let got = atoms::numbers().encode(self.env);
                self.bad_row(row, Fault { column: None, got, expected: error.expected() })
            }
            error => self.bad(atoms::numbers(), &error.expected()),
        }
    }

    fn bad_label(self, row: usize, got: Option<Term<'a>>) -> Term<'a> {
        let expected =
            "a class: all of them integers, all atoms (not nil or undefined), or all words".into();
        let got = got.map_or_else(|| atoms::undefined().encode(self.env), shown);
        self.bad_row(row, Fault { column: None, got, expected })
    }
}

/// An integer; an atom other than those for a missing value; or a word, as a binary or a list of
/// characters. `None` for any other term, such as a row of zeros and a one.
fn label(term: Term) -> Option<Label> {
    if term.is_atom() {
        let name = term.atom_to_string().ok()?;
        return (!["nil", "undefined"].contains(&name.as_str())).then_some(Label::Name(name));
    }
    if let Ok(bytes) = term.decode::<Binary>() {
        let word = std::str::from_utf8(&bytes).ok()?;
        // in any format, packed zeros contain zero bytes
        return (!word.is_empty() && !word.contains('\0')).then(|| Label::Word(word.into()));
    }
    if term.list_length().is_ok_and(|length| length > 0) {
        let character = |x: Term| x.decode().ok().filter(|x| *x > 1).and_then(char::from_u32);
        return term
            .decode::<ListIterator>()
            .ok()?
            .map(character)
            .collect::<Option<String>>()
            .map(Label::Word);
    }
    if let Ok(number) = term.decode::<f64>() {
        // from a tensor of floats
        let whole = number.fract() == 0.0 && number.abs() < 9.0e15;
        return whole.then_some(Label::Integer(number as i64));
    }
    term.decode().ok().map(Label::Integer)
}

fn show_label<'a>(env: Env<'a>, label: &Label) -> Term<'a> {
    match label {
        Label::Integer(number) => number.encode(env),
        // it was an atom in the input
        Label::Name(name) => {
            Atom::from_str(env, name).map_or_else(|_| name.encode(env), |name| name.encode(env))
        }
        Label::Word(word) => word.encode(env),
    }
}

/// Appends the numbers of a row; also its bytes, if the row is a binary.
fn append<'a>(row: Term<'a>, numbers: &mut Vec<f32>, all: &mut Vec<u8>) -> Result<(), Fault<'a>> {
    if let Ok(bytes) = row.decode::<Binary>() {
        if !bytes.len().is_multiple_of(4) {
            return Err(Fault::of_row(row));
        }
        all.extend_from_slice(&bytes);
        return append_floats(row.get_env(), &bytes, numbers);
    }
    let list = row
        .list_length()
        .and_then(|_| row.decode::<ListIterator>())
        .map_err(|_| Fault::of_row(row))?;
    for (column, x) in list.enumerate() {
        numbers.push(bounded(x).map_err(|fault| Fault { column: Some(column), ..fault })?);
    }
    Ok(())
}

const EXPECTED_NUMBER: &str = "a number within plus and minus 1.0e12";

/// Reads a number within the range of a network's inputs.
fn bounded(term: Term) -> Result<f32, Fault> {
    let x = number(term).map(|x| x as f32).filter(|x| x.abs() <= LIMIT);
    x.ok_or_else(|| Fault { column: None, got: shown(term), expected: EXPECTED_NUMBER.into() })
}

/// Appends little-endian 32-bit floats.
fn append_floats<'a>(env: Env<'a>, bytes: &[u8], numbers: &mut Vec<f32>) -> Result<(), Fault<'a>> {
    let (words, _) = bytes.as_chunks();
    let start = numbers.len();
    numbers.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
    let read = &numbers[start..];
    // not `all`, which stops at the first false value and so cannot be vectorised
    if read.iter().fold(true, |fine, x| fine & (x.abs() <= LIMIT)) {
        return Ok(());
    }
    let column = read.iter().position(|x| x.is_nan() || x.abs() > LIMIT);
    let got = float(env, column.map_or(f32::NAN, |column| read[column]));
    Err(Fault { column, got, expected: EXPECTED_NUMBER.into() })
}

/// A float; infinities and NaN, which the BEAM does not have, become atoms.
fn float(env: Env, x: f32) -> Term {
    match x {
        x if x.is_nan() => atoms::nan().encode(env),
        f32::INFINITY => atoms::infinity().encode(env),
        f32::NEG_INFINITY => atoms::neg_infinity().encode(env),
        x => f64::from(x).encode(env),
    }
}
