//! All models and upstreams of a relay at one moment, by name. Never changed: a change makes a new catalogue.

use std::collections::HashMap;
use std::sync::Arc;

use base::{ModelId, UpstreamId};

use crate::{Model, Upstream};

/// Models and upstreams by id. Cloning copies the maps, not what they hold.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    models: HashMap<ModelId, Arc<Model>>,
    upstreams: HashMap<UpstreamId, Arc<Upstream>>,
}

impl Catalog {
    /// A catalogue of these; of two with the same id, the later one counts.
    #[must_use]
    pub fn new(models: Vec<Model>, upstreams: Vec<Upstream>) -> Catalog {
        Catalog {
            models: models.into_iter().map(|model| (model.id.clone(), Arc::new(model))).collect(),
            upstreams: upstreams.into_iter().map(|upstream| (upstream.id.clone(), Arc::new(upstream))).collect(),
        }
    }

    /// The model of this name.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.models.get(id)
    }

    /// The upstream of this name.
    #[must_use]
    pub fn upstream(&self, id: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(id)
    }

    /// All models, by name.
    #[must_use]
    pub fn models(&self) -> Vec<&Arc<Model>> {
        let mut models: Vec<_> = self.models.values().collect();
        models.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        models
    }

    /// All upstreams, by name.
    #[must_use]
    pub fn upstreams(&self) -> Vec<&Arc<Upstream>> {
        let mut upstreams: Vec<_> = self.upstreams.values().collect();
        upstreams.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        upstreams
    }

    /// The same with this model added or replaced.
    #[must_use]
    pub fn with_model(&self, model: Model) -> Catalog {
        let mut changed = self.clone();
        changed.models.insert(model.id.clone(), Arc::new(model));
        changed
    }

    /// The same without this model.
    #[must_use]
    pub fn without_model(&self, id: &str) -> Catalog {
        let mut changed = self.clone();
        changed.models.remove(id);
        changed
    }

    /// The same with this upstream added or replaced.
    #[must_use]
    pub fn with_upstream(&self, upstream: Upstream) -> Catalog {
        let mut changed = self.clone();
        changed.upstreams.insert(upstream.id.clone(), Arc::new(upstream));
        changed
    }

    /// The same without this upstream.
    #[must_use]
    pub fn without_upstream(&self, id: &str) -> Catalog {
        let mut changed = self.clone();
        changed.upstreams.remove(id);
        changed
    }
}

#[cfg(test)]
mod tests {
    use wire::Dialect;

    use super::*;
    use crate::ModelKind;

    fn model(id: &str) -> Model {
        Model::new(ModelId::new(id).unwrap(), ModelKind::Chat, 1_000, 100)
    }

    #[test]
    fn a_change_leaves_the_old_catalogue_as_it_was() {
        let before = Catalog::new(vec![model("b"), model("a")], vec![]);
        let upstream = Upstream::new(UpstreamId::new("u").unwrap(), Dialect::Openai, "https://host", vec![]);
        let after = before.with_model(model("c")).without_model("b").with_upstream(upstream);
        let names = |catalog: &Catalog| catalog.models().iter().map(|m| m.id.to_string()).collect::<Vec<_>>();
        assert_eq!((names(&before), names(&after)), (vec!["a".into(), "b".into()], vec!["a".into(), "c".into()]));
        assert!(Arc::ptr_eq(before.model("a").unwrap(), after.model("a").unwrap()), "untouched models are shared");
        assert_eq!((after.upstreams().len(), after.without_upstream("u").upstream("u").is_none()), (1, true));
        assert!(before.upstream("u").is_none());
    }
}
