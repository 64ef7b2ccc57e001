//! Parameters are passed as a map from name to number, atom, list of atoms, of numbers or of pairs.

use crate::error;
use crate::term::List;
use cambrian_core::genome::parameters::{Parameters, Value};
use rustler::{Atom, Encoder, Env, Error, MapIterator, NifResult, Term};

/// `over`, changed by the map.
pub fn read(map: Term, mut over: Parameters) -> NifResult<Parameters> {
    for (name, term) in MapIterator::new(map).ok_or(Error::BadArg)? {
        let text = name.atom_to_string().map_err(|_| error::unknown_parameter(name))?;
        // a term that is no kind of value is an invalid value of the parameter
        let value = value(term).unwrap_or(Value::Name(String::new()));
        over.set(&text, &value).map_err(|error| error::parameter(error, map))?;
    }
    Ok(over)
}

pub fn value(term: Term) -> Option<Value> {
    if let Ok(integer) = term.decode::<i64>() {
        return Some(Value::Integer(integer));
    }
    if let Ok(number) = term.decode::<f64>() {
        return Some(Value::Number(number));
    }
    if let Ok(name) = term.atom_to_string() {
        return Some(Value::Name(name));
    }
    let List(names): List<Term> = term.decode().ok()?;
    let number =
        |term: Term| term.decode::<f64>().or_else(|_| term.decode::<i64>().map(|x| x as f64));
    let pair = |term: &Term| {
        let (low, high) = term.decode().ok()?;
        Some((number(low).ok()?, number(high).ok()?))
    };
    if names.first().is_some_and(|first| pair(first).is_some()) {
        return names.iter().map(pair).collect::<Option<_>>().map(Value::Pairs);
    }
    if names.first().is_some_and(|first| number(*first).is_ok()) {
        let numbers = names.into_iter().map(|term| number(term).ok());
        return numbers.collect::<Option<_>>().map(Value::Numbers);
    }
    names.iter().map(|name| name.atom_to_string().ok()).collect::<Option<_>>().map(Value::Names)
}

pub fn show<'a>(env: Env<'a>, value: &Value) -> NifResult<Term<'a>> {
    let number = |x: f64| show(env, &Value::Number(x));
    Ok(match value {
        Value::Integer(x) => x.encode(env),
        Value::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => (*x as i64).encode(env),
        Value::Number(x) => x.encode(env),
        Value::Pairs(pairs) => {
            let pair = |(low, high): &(f64, f64)| Ok((number(*low)?, number(*high)?));
            pairs.iter().map(pair).collect::<NifResult<Vec<_>>>()?.encode(env)
        }
        Value::Numbers(numbers) => {
            numbers.iter().map(|x| number(*x)).collect::<NifResult<Vec<_>>>()?.encode(env)
        }
        Value::Name(name) => Atom::from_str(env, name)?.encode(env),
        Value::Names(names) => {
            names.iter().map(|n| Atom::from_str(env, n)).collect::<NifResult<Vec<_>>>()?.encode(env)
        }
    })
}

/// Every parameter with its value, as a map.
pub fn values<'a>(env: Env<'a>, parameters: &Parameters) -> NifResult<Term<'a>> {
    let mut map = Term::map_new(env);
    for (name, value) in parameters.values() {
        map = map.map_put(Atom::from_str(env, name)?, show(env, &value)?)?;
    }
    Ok(map)
}

/// `[{Name, Default, Expected, About}]`
#[rustler::nif]
fn parameters_table(env: Env) -> NifResult<Vec<Term>> {
    let row = |d: cambrian_core::genome::parameters::Description| {
        let name = Atom::from_str(env, d.name)?;
        Ok((name, show(env, &d.default)?, d.expected, d.about).encode(env))
    };
    Parameters::table().into_iter().map(row).collect()
}
