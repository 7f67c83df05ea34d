//! Who writes to the table: the caller, or a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use super::table::{Batch, Table};

/// Batches of which the last has this number are written, or not.
type Report = (u64, io::Result<()>);

#[derive(Debug)]
pub enum Writer {
    /// On the spot.
    Here(Box<Table>, Vec<Report>),
    /// By a thread. When it has failed, it forgets what comes until it is told that the failure is known.
    Thread {
        orders: Sender<Order>,
        reports: Receiver<Report>,
        thread: JoinHandle<io::Result<()>>,
    },
}

#[derive(Debug)]
pub enum Order {
    Write(u64, Batch),
    ForgetFailure,
}

impl Writer {
    pub fn here(table: Table) -> Self {
        Writer::Here(Box::new(table), Vec::new())
    }

    pub fn thread(mut table: Table) -> io::Result<Self> {
        let (orders, received) = channel();
        let (report, reports) = channel();
        let thread = std::thread::Builder::new()
            .name("pentad-sqlite".to_owned())
            .spawn(move || {
                work(&mut table, &received, &report);
                table.finish()
            })?;
        Ok(Writer::Thread {
            orders,
            reports,
            thread,
        })
    }

    /// Has a batch written.
    pub fn send(&mut self, number: u64, batch: Batch) -> io::Result<()> {
        match self {
            Writer::Here(table, reports) => {
                reports.push((number, table.write(&[batch])));
                Ok(())
            }
            Writer::Thread { orders, .. } => orders
                .send(Order::Write(number, batch))
                .map_err(|_| ended()),
        }
    }

    /// What became of the batches up to one; with `wait` there is always an answer.
    pub fn result(&mut self, wait: bool) -> Option<Report> {
        match self {
            Writer::Here(_, reports) => (!reports.is_empty()).then(|| reports.remove(0)),
            Writer::Thread { reports, .. } if wait => {
                Some(reports.recv().unwrap_or_else(|_| (0, Err(ended()))))
            }
            Writer::Thread { reports, .. } => match reports.try_recv() {
                Ok(report) => Some(report),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some((0, Err(ended()))),
            },
        }
    }

    /// What is sent from now on is to be written again.
    pub fn forget_failure(&mut self) {
        match self {
            Writer::Here(_, reports) => reports.clear(),
            Writer::Thread { orders, .. } => {
                // If it has ended, the next batch will tell.
                let _ = orders.send(Order::ForgetFailure);
            }
        }
    }

    /// Writes what was sent, and brings it into one file.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Writer::Here(mut table, _) => table.finish(),
            Writer::Thread { orders, thread, .. } => {
                drop(orders);
                thread.join().unwrap_or_else(|_| Err(ended()))
            }
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

/// Writes until nobody has anything more to be written; all that waits at a time is one transaction.
fn work(table: &mut Table, orders: &Receiver<Order>, report: &Sender<Report>) {
    let mut failed = false;
    while let Ok(order) = orders.recv() {
        let mut batches = Vec::new();
        let mut last = 0;
        let mut next = Some(order);
        while let Some(order) = next {
            match order {
                Order::ForgetFailure => failed = false,
                Order::Write(..) if failed => {}
                Order::Write(number, batch) => {
                    last = number;
                    batches.push(batch);
                }
            }
            next = orders.try_recv().ok();
        }
        if batches.is_empty() {
            continue;
        }
        let result = table.write(&batches);
        failed = result.is_err();
        if report.send((last, result)).is_err() {
            return;
        }
    }
}
