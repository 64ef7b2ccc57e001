//! Genes and settings that have one of a few named values.

/// One of a few named values. Each has a number that identifies it in all encodings for ever.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// Each value at the index of its number.
    const ALL: &'static [Self];

    fn name(self) -> &'static str;

    fn number(self) -> u8;

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }

    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// An enum whose variants are numbered from 0, with their names.
macro_rules! choices {
    ($(#[$about:meta])* pub enum $choice:ident {
        $($(#[$variant_about:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum $choice {
            $($(#[$variant_about])* #[serde(rename = $name)] $variant,)*
        }

        impl $crate::base::choice::Choice for $choice {
            const ALL: &'static [$choice] = &[$($choice::$variant),*];

            fn name(self) -> &'static str {
                match self { $($choice::$variant => $name,)* }
            }

            fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

pub(crate) use choices;
