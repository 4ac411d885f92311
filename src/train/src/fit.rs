//! Logistic regression over sparse binary features, by stochastic gradient descent with step sizes per weight (Duchi,
//! Hazan, Singer, "Adaptive subgradient methods", 2011). Deterministic: samples are shuffled by a fixed seed.

use kt_text::linear::BUCKETS;

/// A text as its model sees it.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// Sorted, each once.
    pub(crate) features: Vec<u32>,
    pub(crate) is_positive: bool,
    /// How much it counts.
    pub(crate) weight: f32,
    /// Whether it has a say in the threshold.
    pub(crate) calibrates: bool,
}

/// Fitted weights.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: f32,
}

const EPOCHS: u32 = 8;
const STEP: f32 = 0.6;
/// Strength of the pull towards zero.
const RIDGE: f32 = 1e-4;

impl Fitted {
    /// The logit of a text with these features.
    pub(crate) fn logit(&self, features: &[u32]) -> f32 {
        let sum: f32 = features
            .iter()
            .filter_map(|feature| self.weights.get(*feature as usize))
            .sum();
        self.bias + sum * norm(features.len())
    }
}

fn norm(count: usize) -> f32 {
    kt_text::linear::norm(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Fits weights to the examples at `places`.
pub(crate) fn fit(examples: &[Example], places: &[usize]) -> Fitted {
    let mut model = Fitted {
        weights: vec![0.0; BUCKETS],
        bias: 0.0,
    };
    let mut squares = vec![1e-4_f32; BUCKETS];
    let mut bias_squares = 1e-4_f32;
    let mut order = places.to_vec();
    let mut random = Random(0x5eed);
    for _ in 0..EPOCHS {
        random.shuffle(&mut order);
        for example in order.iter().filter_map(|place| examples.get(*place)) {
            let target = if example.is_positive { 1.0 } else { 0.0 };
            let chance = 1.0 / (1.0 + (-model.logit(&example.features)).exp());
            let error = (chance - target) * example.weight;
            bias_squares += error * error;
            model.bias -= STEP * error / bias_squares.sqrt();
            let gradient = error * norm(example.features.len());
            for feature in &example.features {
                let place = *feature as usize;
                if let (Some(weight), Some(square)) =
                    (model.weights.get_mut(place), squares.get_mut(place))
                {
                    let gradient = gradient + RIDGE * *weight;
                    *square += gradient * gradient;
                    *weight -= STEP * gradient / square.sqrt();
                }
            }
        }
    }
    model
}

/// `SplitMix64`: numbers that only look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// One of `items`.
    pub(crate) fn pick<'i, T: ?Sized>(&mut self, items: &[&'i T]) -> Option<&'i T> {
        items.get(self.below(items.len())).copied()
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }
}
