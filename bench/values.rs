//! Settings of a task and parameters of a search, as arguments: `set.SETTING=VALUE` and
//! `PARAMETER=VALUE`. Several names are joined by `+`.

use cambrian_core::genome::parameters::{Parameters, Value};
use cambrian_core::task::Settings;

pub fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text}: expected a whole number"))
}

pub fn pairs<'a>(arguments: &[&'a str]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let pair =
        |one: &&'a str| one.split_once('=').ok_or_else(|| format!("{one}: expected NAME=VALUE"));
    arguments.iter().map(pair).collect()
}

fn value(text: &str) -> Value {
    if text.contains('+') {
        return Value::Names(text.split('+').map(String::from).collect());
    }
    let number = || text.parse().map_or_else(|_| Value::Name(text.into()), Value::Number);
    text.parse().map_or_else(|_| number(), Value::Integer)
}

/// Those of a task.
pub fn of_task(pairs: &[(&str, &str)]) -> Settings {
    let settings = pairs
        .iter()
        .filter_map(|(name, text)| Some((name.strip_prefix("set.")?.to_string(), value(text))));
    settings.collect::<Vec<_>>().into()
}

/// Sets those of a search.
pub fn set(parameters: &mut Parameters, pairs: &[(&str, &str)]) -> Result<(), String> {
    for (name, text) in pairs.iter().filter(|pair| !pair.0.starts_with("set.")) {
        let value = match (*name, value(text)) {
            ("emitters" | "objectives", Value::Name(one)) => Value::Names(vec![one]),
            (_, value) => value,
        };
        parameters.set(name, &value).map_err(|error| error.to_string())?;
    }
    Ok(())
}
