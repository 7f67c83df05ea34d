//! A metrics collector: clients put samples over the metrics protocol, and the program plots what was put.
//!
//! `cargo run --example metrics_plot` plots a demonstration, `... metrics_plot plot.svg` writes it to a file, too.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use pentad::Server;

const WIDTH: usize = 72;
const HEIGHT: usize = 16;

/// A point of a series: when, and what.
type Point = (f64, f64);

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen("metrics://127.0.0.1:0")
        .build()?
        .spawn()?;
    put_samples(server.address().ok_or("no listener")?)?;

    let series = server.handle().submit(|store| {
        let names = store.series_keys();
        let mut all = Vec::new();
        for name in names {
            let samples = store
                .series(&name)
                .map(|mut series| series.range(i64::MIN..=i64::MAX));
            let points: Vec<Point> = samples
                .unwrap_or_default()
                .iter()
                .map(|sample| (sample.timestamp as f64, sample.value))
                .collect();
            all.push((String::from_utf8_lossy(&name).into_owned(), points));
        }
        all
    });
    let series = series.wait()?;
    assert_eq!(series.len(), 2);
    for (name, points) in &series {
        assert_eq!(points.len(), 200);
        println!("{name}, {} samples\n{}", points.len(), plot(points));
    }
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, svg(&series))?;
        println!("written to {path}");
    }
    Ok(())
}

/// What any metrics client does: `put <key> <value> <timestamp>`, and an answer for each.
fn put_samples(address: &str) -> Result<(), Box<dyn Error>> {
    let mut client = BufReader::new(TcpStream::connect(address)?);
    let mut requests = String::new();
    for time in 0..200 {
        let angle = f64::from(time) / 12.0;
        writeln!(requests, "put cpu {} {time}", 50.0 + 40.0 * angle.sin())?;
        writeln!(
            requests,
            "put memory {} {time}",
            20.0 + f64::from(time) / 5.0 + 5.0 * (angle * 3.0).cos()
        )?;
    }
    client.get_mut().write_all(requests.as_bytes())?;
    let mut line = String::new();
    for _ in 0..2 * 400 {
        line.clear();
        client.read_line(&mut line)?;
        if line != "ok\n" && line != "\n" {
            return Err(format!("answered {line:?}").into());
        }
    }
    Ok(())
}

/// The least and the greatest of some numbers, never the same.
fn extent(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(number), high.max(number))
    });
    if low < high {
        (low, high)
    } else {
        (low - 0.5, low + 0.5)
    }
}

/// Where points lie in a field of this size, from its lower left corner.
fn scale(points: &[Point], width: f64, height: f64) -> impl Iterator<Item = Point> {
    let (first, last) = extent(points.iter().map(|point| point.0));
    let (low, high) = extent(points.iter().map(|point| point.1));
    points.iter().map(move |(time, value)| {
        let x = (time - first) / (last - first) * width;
        (x, (value - low) / (high - low) * height)
    })
}

fn plot(points: &[Point]) -> String {
    let (low, high) = extent(points.iter().map(|point| point.1));
    let mut field = vec![vec![' '; WIDTH]; HEIGHT];
    for (x, y) in scale(points, (WIDTH - 1) as f64, (HEIGHT - 1) as f64) {
        field[HEIGHT - 1 - y.round() as usize][x.round() as usize] = '*';
    }
    let mut text = String::new();
    for (row, cells) in field.into_iter().enumerate() {
        let value = high - (high - low) * row as f64 / (HEIGHT - 1) as f64;
        let cells: String = cells.into_iter().collect();
        text.push_str(&format!("{value:>8.1} |{}\n", cells.trim_end()));
    }
    text + &format!("{:>8} +{}\n", "", "-".repeat(WIDTH))
}

fn svg(series: &[(String, Vec<Point>)]) -> String {
    let mut text = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 640 340' font-family='sans-serif'>\n",
    );
    for (index, (name, points)) in series.iter().enumerate() {
        let hue = index * 360 / series.len();
        let line: Vec<String> = scale(points, 600.0, 280.0)
            .map(|(x, y)| format!("{:.1},{:.1}", x + 20.0, 310.0 - y))
            .collect();
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        text.push_str(&format!(
            "<polyline fill='none' stroke='hsl({hue} 70% 40%)' points='{}'/>\n<text x='{}' y='20' fill='hsl({hue} 70% 40%)'>{name}</text>\n",
            line.join(" "),
            20 + 100 * index
        ));
    }
    text + "</svg>\n"
}
