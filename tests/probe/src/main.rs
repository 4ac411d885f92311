//! Measures adversarial texts: `probe WAYS LENGTHS PAIRS [OF EACH]`.
//!
//! Writes `begin` before each text goes through the engine and a line about it after it: in an interpreter the host counts the steps between the
//! two, natively the line has the time. Ways and lengths are separated by commas. One of OF shapes is measured; with EACH, `1`, also one of every
//! detector's anchors, so that a new one is among them.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use kt_probe::{
    Way, engine, judge,
    shapes::{FORMS, Shape},
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let ways: Vec<Way> = argument(0).split(',').filter_map(Way::from_name).collect();
    let lengths: Vec<usize> = argument(1)
        .split(',')
        .filter_map(|len| len.parse().ok())
        .collect();
    let number = |at: usize, otherwise: usize| argument(at).parse().unwrap_or(otherwise);
    let (pairs, of) = (number(2, 0), number(3, 1));
    let Some(engine) = engine() else {
        return Err(io::Error::other("the engine does not compile"));
    };
    let anchors = engine.chain().anchors();
    let each = number(4, 0);
    let mut out = io::stdout().lock();
    for way in ways {
        let shape = |part: String| Shape {
            head: String::new(),
            part,
        };
        // What is made once is made here.
        judge(&engine, way, &way.bytes(&way.prose()));
        let all = way.shapes(&anchors, pairs).into_iter().enumerate();
        let chosen = all.filter(|(place, _)| is_chosen(*place, of, each));
        let chosen = chosen.map(|(_, shape)| shape);
        let silence_and_prose = [shape(String::new()), shape(way.prose())];
        for shape in silence_and_prose.into_iter().chain(chosen) {
            for len in &lengths {
                let bytes = way.bytes(&way.text(&shape, *len));
                out.write_all(b"begin\n")?;
                let start = Instant::now();
                let came = judge(&engine, way, &bytes);
                let took = start.elapsed().as_nanos();
                let (way, name) = (way.name(), shape.name());
                writeln!(out, "end\t{way}\t{len}\t{took}\t{came}\t{name}")?;
            }
        }
    }
    Ok(())
}

/// Whether the shape at `place` is measured: one of `of`, and with `each` one of every detector's anchors.
fn is_chosen(place: usize, of: usize, each: usize) -> bool {
    let (anchor, form) = (place / FORMS, place % FORMS);
    let values = kt_text::detect::anchors().len() * each;
    place.is_multiple_of(of) || (anchor < values && form == anchor % FORMS)
}
