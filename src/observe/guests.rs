//! The connections that a door has open at one time.

use std::collections::HashMap;

use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet, yield_now};

use super::progress::{Course, Progress, first_to_go};

pub(super) struct Guests {
    most: usize,
    tasks: JoinSet<()>,
    by_task: HashMap<Id, Guest>,
}

struct Guest {
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

impl Guests {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
        }
    }

    /// Takes one in, for which another goes if there are too many.
    pub(super) async fn admit<F>(
        &mut self,
        serve: impl FnOnce(Course, watch::Receiver<Progress>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.by_task.len() >= self.most {
            self.turn_away().await;
        }
        let (course, progress) = Course::begin();
        let task = self.tasks.spawn(serve(course, progress.clone()));
        self.by_task.insert(task.id(), Guest { progress, task });
        // Who has sent a request already is heard before anybody else can take his place.
        yield_now().await;
    }

    /// Closes the one whose turn it is, if there is any.
    pub(super) async fn turn_away(&mut self) -> bool {
        let all = self.by_task.iter();
        let all = all.map(|(id, guest)| (*id, *guest.progress.borrow()));
        let Some(guest) = first_to_go(all).and_then(|id| self.by_task.remove(&id)) else {
            return false;
        };
        guest.task.abort();
        yield_now().await;
        true
    }

    /// Waits until one is done; for ever if there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.by_task.remove(&id)),
            Some(Err(ended)) => drop(self.by_task.remove(&ended.id())),
            None => std::future::pending().await,
        }
    }

    /// Waits until all are.
    pub(super) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }
}
