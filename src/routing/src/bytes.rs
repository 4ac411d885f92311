//! Numbers and text as bytes: how states are kept between requests. Little-endian, in the order of the fields.

/// Reads what [`Writer`] wrote. Whatever is missing reads as zero, so that no bytes can make it fail.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl Reader<'_> {
    pub(crate) fn number(&mut self) -> u64 {
        let Some((number, rest)) = self.0.split_first_chunk::<8>() else {
            self.0 = &[];
            return 0;
        };
        self.0 = rest;
        u64::from_le_bytes(*number)
    }

    pub(crate) fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    pub(crate) fn text(&mut self) -> String {
        let len = usize::try_from(self.number())
            .unwrap_or(0)
            .min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

/// Writes a state.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.0.extend_from_slice(&number.into().to_le_bytes());
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}
