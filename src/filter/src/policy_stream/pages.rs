//! What operators and clients ask for that is no exchange: pages, the configuration, the list of models.

use kt_policy::{Page, PageReply, Patch};
use proxy_wasm::types::Action;

use super::{Mode, PolicyStream};
use crate::{
    host::{self, Body},
    machine, shared,
};

pub(super) const CONFIG_PAGE: &str = "/keeptrusts/config";

impl PolicyStream {
    /// Answers a page for operators, which is no exchange.
    pub(super) fn show(&mut self, page: Page) -> Action {
        self.mode = Mode::Pass;
        self.is_page = true;
        if page == Page::AllMetrics {
            self.begins_with = Some(page);
            return Action::Continue;
        }
        let reply = self.render(page);
        let headers = [("content-type", page.content_type())];
        if host::answer(reply.status, &headers, &reply.body).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    /// Lets the page of the configuration come, and adds what only the filter knows.
    pub(super) fn show_config(&mut self) -> Action {
        self.mode = Mode::Config;
        self.is_page = true;
        Action::Continue
    }

    /// Writes which exceptions were never used in place of the page's last brace.
    pub(super) fn end_config(&mut self, len: usize) -> Action {
        let Ok(mut page) = host::body(Body::Response, len) else {
            return Action::Continue;
        };
        page.pop_if(|last| *last == b'}');
        page.extend(self.plans.unused_exceptions(shared::is_used).into_bytes());
        if host::replace_body(Body::Response, len, &page).is_err() {
            host::reset_response();
        }
        Action::Continue
    }

    /// Answers with the models that the caller may use.
    pub(super) fn show_models(&mut self) -> Action {
        self.mode = Mode::Pass;
        self.is_page = true;
        if self.exchange.engine().config().access.is_empty() {
            // The route has the answer.
            return Action::Continue;
        }
        let body = self.plans.models(self.caller);
        let headers = [("content-type", "application/json")];
        if host::answer(200, &headers, &body).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    pub(super) fn render(&self, page: Page) -> PageReply {
        let config = self.exchange.engine().config();
        let workers = || {
            machine::counts().show(self.room.all(), self.history.bytes());
            shared::workers()
        };
        page.render(config, &shared::states(config), workers, host::now_us())
    }

    /// Puts our own page before Envoy's.
    pub(super) fn prepend_page(&mut self) -> Action {
        if let Some(page) = self.begins_with.take() {
            let ours = Patch {
                replaces: 0,
                bytes: self.render(page).body,
            };
            let done = host::patch_body(Body::Response, &ours);
            return self.changed(done);
        }
        Action::Continue
    }
}

/// Whether the path is that of the list of models, whatever a route has before it.
pub(super) fn is_models(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.ends_with("/v1/models")
}
