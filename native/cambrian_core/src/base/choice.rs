//! Genes and settings that are one of a few named things.

/// One of a few named things, each with a number that is its own on the wire for ever.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// Each at the index that is its number.
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
