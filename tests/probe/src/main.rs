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
    PROSE, Way, engine, judge,
    shapes::{FORMS, Shape, shapes},
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
    let prose = Shape {
        head: String::new(),
        part: PROSE.to_owned(),
    };
    let silence = Shape {
        head: String::new(),
        part: String::new(),
    };
    let all = shapes(&engine.chain().anchors(), pairs);
    let values = kt_text::detect::anchors().len() * number(4, 0);
    let chosen = all.into_iter().enumerate().filter(|(place, _)| {
        let (anchor, form) = (place / FORMS, place % FORMS);
        place % of == 0 || (anchor < values && form == anchor % FORMS)
    });
    let mut out = io::stdout().lock();
    for way in &ways {
        // What is made once is made here.
        judge(&engine, *way, &way.bytes(PROSE));
    }
    for shape in [silence, prose]
        .into_iter()
        .chain(chosen.map(|(_, shape)| shape))
    {
        for way in &ways {
            for len in &lengths {
                let bytes = way.bytes(&shape.text(*len));
                out.write_all(b"begin\n")?;
                let start = Instant::now();
                let came = judge(&engine, *way, &bytes);
                let took = start.elapsed().as_nanos();
                writeln!(
                    out,
                    "end\t{}\t{len}\t{took}\t{came}\t{}",
                    way.name(),
                    shape.name()
                )?;
            }
        }
    }
    Ok(())
}
