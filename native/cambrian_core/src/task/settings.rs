//! Settings of a task, by name.

use crate::genome::parameters::{Setting, Value};
use thiserror::Error;

/// Why there is no such task.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskError {
    #[error("unknown task")]
    UnknownTask,
    #[error("unknown setting {name}")]
    UnknownSetting { name: String, known: Vec<&'static str> },
    #[error("{name}: expected {expected}")]
    Invalid { name: &'static str, expected: String },
}

/// Settings as they come from a caller; a task takes those that it has.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    given: Vec<(String, Value)>,
    /// Those that the task has asked for.
    known: Vec<&'static str>,
}

impl From<Vec<(String, Value)>> for Settings {
    fn from(given: Vec<(String, Value)>) -> Settings {
        Settings { given, known: Vec::new() }
    }
}

impl Settings {
    /// The value of a setting, or its default.
    ///
    /// # Errors
    /// A value of another kind or out of bounds.
    pub(super) fn take<S: Setting>(
        &mut self,
        name: &'static str,
        default: S,
        bounds: S::Bound,
    ) -> Result<S, TaskError> {
        self.known.push(name);
        let Some(at) = self.given.iter().position(|setting| setting.0 == name) else {
            return Ok(default);
        };
        let (_, value) = self.given.swap_remove(at);
        let invalid = || TaskError::Invalid { name, expected: S::expected(bounds) };
        S::read(&value, bounds).ok_or_else(invalid)
    }

    /// # Errors
    /// A setting that was not taken.
    pub(super) fn finish(self) -> Result<(), TaskError> {
        match self.given.into_iter().next() {
            Some((name, _)) => Err(TaskError::UnknownSetting { name, known: self.known }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;

    fn parity(name: &str, value: Value) -> Result<u32, TaskError> {
        task::new("parity", vec![(name.to_string(), value)].into()).map(|task| task.shape().inputs)
    }

    #[test]
    fn a_setting_takes_effect_and_a_wrong_one_is_named() {
        assert_eq!(parity("bits", Value::Integer(5)), Ok(5));
        assert_eq!(task::named("parity").unwrap().shape().inputs, 3);
        let invalid =
            || Err(TaskError::Invalid { name: "bits", expected: "an integer from 2 to 12".into() });
        assert_eq!(parity("bits", Value::Integer(13)), invalid());
        assert_eq!(parity("bits", Value::Number(5.0)), invalid());
        assert_eq!(parity("bits", Value::Name("many".into())), invalid());
        let unknown = TaskError::UnknownSetting { name: "bytes".into(), known: vec!["bits"] };
        assert_eq!(parity("bytes", Value::Integer(5)), Err(unknown));
        assert!(matches!(task::new("chess", Settings::default()), Err(TaskError::UnknownTask)));
    }
}
