//! `model_groups`, and `unknown_models`: what clients call models.

use kt_policy::{Consumer, ModelGroup};

use super::{names, places, unique};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::Fields,
    gateway::Target,
};

/// The groups.
#[derive(Default)]
pub(super) struct Models {
    pub(super) groups: Vec<ModelGroup>,
    /// The targets of each, by their ids.
    ids: Vec<Vec<(String, String, Position)>>,
    pub(super) refuses_unknown: bool,
}

pub(super) fn read(root: &mut Fields<'_>, report: &mut Report) -> Models {
    let mut models = Models::default();
    let words = [("default", false), ("not_found", true)];
    let refuses = root.choice("unknown_models", &words, &[], report);
    models.refuses_unknown = refuses.unwrap_or(false);
    let nodes = root.list("model_groups", report).unwrap_or_default();
    let mut seen = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("model_groups[{at}]");
        if let Some(fields) = Fields::of(node, &path, report)
            && let Some((group, ids, words)) = group(fields, report)
        {
            models.groups.push(group);
            models.ids.push(ids);
            seen.extend(words);
        }
    }
    let mut known = Vec::new();
    for (name, path, position) in &seen {
        unique(&mut known, name, path, *position, report);
    }
    if models.refuses_unknown && models.groups.is_empty() {
        report.error(
            Code::Contradiction,
            "unknown_models",
            root.key_position("unknown_models"),
            "`unknown_models: not_found` without `model_groups` refuses every request",
            "list the models in `model_groups`",
        );
    }
    models
}

type Names = Vec<(String, String, Position)>;

fn group(mut fields: Fields<'_>, report: &mut Report) -> Option<(ModelGroup, Names, Names)> {
    let name = fields.required_text("name", "name the group as clients write the model", report);
    let aliases = names(&mut fields, "aliases", report).unwrap_or_default();
    let ids = names(&mut fields, "targets", report);
    if ids.as_ref().is_none_or(Vec::is_empty) {
        fields.missing("targets", "list ids of `providers.targets`", report);
    }
    let path = fields.path_of("name");
    let remedy = "list its targets in `targets`";
    fields.finish(&[("models", remedy), ("fallback_group", remedy)], report);
    let (name, position) = name?;
    if name.is_empty() {
        report.error(
            Code::InvalidValue,
            &path,
            position,
            "the name is empty",
            "write what clients send as `model`",
        );
    }
    let group = ModelGroup {
        name: name.to_owned(),
        aliases: aliases.iter().map(|(alias, ..)| alias.clone()).collect(),
    };
    let words = [(name.to_owned(), path, position)]
        .into_iter()
        .chain(aliases);
    Some((group, ids?, words.collect()))
}

impl Models {
    /// The targets of each group.
    pub(super) fn sets(&self, targets: &[Target], report: &mut Report) -> Vec<Vec<usize>> {
        let ids = self.ids.iter();
        ids.map(|ids| places(ids, targets, report)).collect()
    }

    /// Puts the names of groups in the place of their aliases.
    pub(super) fn resolve_allowed(&self, consumer: &mut Consumer) {
        for allowed in consumer.allowed_models.iter_mut().flatten() {
            let is_it = |group: &&ModelGroup| group.aliases.contains(allowed);
            if let Some(group) = self.groups.iter().find(is_it) {
                allowed.clone_from(&group.name);
            }
        }
    }
}
