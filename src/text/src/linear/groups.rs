//! Groups of people. To the models they are all one: whoever is named, a sentence has the same features, and the name alone has
//! none. So nobody is blocked for being named, and what is said of one group weighs as much as what is said of another.
//!
//! Slurs are no names of groups.

use super::{HASH_PRIME, HASH_START, classes::CLASSES};

/// The hash of any group in the place of a word.
pub(super) const GROUP: u32 = 0x6b74_9a11;

/// Adjectives and nouns in the singular; a plural with `s` is known too.
const NAMES: &str = "
jew jewish judaism hebrew muslim islam islamic moslem christian christianity catholic protestant evangelical orthodox mormon quaker amish baptist
methodist lutheran pentecostal hindu hinduism sikh sikhism buddhist buddhism atheist agnostic pagan wiccan shia sunni shiite ahmadi ahmadiyya bahai
zoroastrian yazidi druze jain jainism taoist scientologist rastafarian copt coptic ismaili sufi hasidic haredi anglican presbyterian calvinist
jehovah hijabi
black white brown african arab arabic asian caucasian latino latina latinx hispanic chicano chicana biracial multiracial creole indigenous native
aboriginal aborigine maori inuit eskimo cherokee navajo sioux apache lakota mohawk islander polynesian samoan tongan roma romani sinti traveller
traveler kurd kurdish uyghur uighur tibetan rohingya tamil sinhalese punjabi bengali gujarati pashtun hazara tajik uzbek berber amazigh bedouin hausa
igbo yoruba zulu xhosa tutsi hutu somali oromo tigrayan amhara masai maasai basque catalan galician breton corsican sami saami cossack chechen
tatar bashkir romany ainu hmong manchu dalit brahmin adivasi kshatriya vaishya shudra caste burakumin semite semitic slav slavic nordic
afro mestizo metis melanesian micronesian hawaiian
american mexican canadian cuban haitian jamaican dominican guatemalan honduran salvadoran nicaraguan panamanian colombian venezuelan ecuadorian
peruvian bolivian chilean argentinian argentine uruguayan paraguayan brazilian guyanese surinamese trinidadian bahamian barbadian belizean rican
british english englishman scottish scot scotsman welsh irish irishman french frenchman german austrian swiss dutch dutchman belgian flemish walloon
luxembourger danish dane norwegian swedish swede finnish finn icelander icelandic estonian latvian lithuanian polish czech slovak slovakian
hungarian romanian moldovan bulgarian greek albanian kosovar serb serbian croat croatian bosnian bosniak montenegrin macedonian slovene slovenian
italian sicilian spanish spaniard portuguese maltese cypriot turkish turk ukrainian russian belarusian georgian armenian azerbaijani azeri kazakh
kyrgyz turkmen mongolian mongol chinese taiwanese japanese korean vietnamese thai lao laotian cambodian khmer burmese malaysian malay indonesian
javanese filipino filipina singaporean timorese papuan australian zealander fijian indian pakistani bangladeshi nepali nepalese bhutanese lankan
maldivian afghan afghani iranian persian iraqi syrian lebanese jordanian palestinian israeli saudi yemeni omani emirati qatari bahraini kuwaiti
egyptian libyan tunisian algerian moroccan sudanese ethiopian eritrean djiboutian kenyan ugandan tanzanian rwandan burundian congolese nigerian
nigerien ghanaian ivorian senegalese gambian malian liberian guinean togolese beninese burkinabe cameroonian chadian gabonese angolan zambian
zimbabwean malawian mozambican namibian botswanan swazi basotho madagascan malagasy mauritian comorian mauritanian saharan balkan baltic european
scandinavian levantine caribbean oriental foreigner immigrant migrant emigrant refugee asylum expat expatriate newcomer undocumented
gay lesbian homosexual bisexual queer transgender transgendered trans transsexual nonbinary enby genderqueer
genderfluid agender intersex asexual pansexual demisexual aromantic lgbt lgbtq lgbtqia lgbtqi glbt cisgender cis heterosexual straight hetero
twospirit
woman women female man men male lady ladies gentleman gentlemen feminist englishmen frenchmen irishmen
disabled disability disabilities handicapped deaf blind autistic autism neurodivergent neurodiverse neurotypical dyslexic adhd paraplegic
quadriplegic amputee wheelchair wheelchairs schizophrenic schizophrenia bipolar epileptic epilepsy dwarf dwarves dwarfism albino diabetic
obese overweight fat dementia alzheimer paralysed paralyzed
elderly senior pensioner retiree boomer millennial teenager octogenarian zoomer
homeless veteran illiterate unemployed
";

/// Words that a name of a group takes along: `gay people` are a group as `gays` are.
const PEOPLE: &str = "people person folk folks community communities individual citizen population minority minorities resident";

/// Slots of the table of hashes.
const SLOTS: usize = 4096;

/// What of a hash tells words apart; the other bits say what a word is: 0 goes with a group, 1 is one, above stand classes.
const OF_HASH: u32 = !0x3f;

/// Open addressing: 0 is an empty slot.
static TABLE: [u32; SLOTS] = table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses what lies outside"
)]
const fn table() -> [u32; SLOTS] {
    let mut slots = [0; SLOTS];
    let mut list = 0_u8;
    while (list as usize) < 2 + CLASSES.len() {
        let text = match list {
            0 => PEOPLE,
            1 => NAMES,
            class => CLASSES[class as usize - 2],
        }
        .as_bytes();
        let (mut at, mut hash) = (0, HASH_START);
        while at <= text.len() {
            let byte = if at < text.len() { text[at] } else { b' ' };
            if byte == b' ' || byte == b'\n' {
                if hash != HASH_START {
                    put(&mut slots, hash, list as u32);
                    put(&mut slots, step(hash, b's'), list as u32);
                }
                hash = HASH_START;
            } else {
                hash = step(hash, byte);
            }
            at += 1;
        }
        list += 1;
    }
    slots
}

const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(HASH_PRIME)
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses what lies outside"
)]
const fn put(slots: &mut [u32; SLOTS], hash: u32, kind: u32) {
    let mut slot = first_slot(hash);
    while slots[slot] != 0 {
        if slots[slot] & OF_HASH == hash & OF_HASH {
            // A word is what it was said to be first.
            return;
        }
        slot = (slot + 1) % SLOTS;
    }
    slots[slot] = hash & OF_HASH | kind;
}

const fn first_slot(hash: u32) -> usize {
    (hash >> 20) as usize
}

/// What a word is, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name of a group.
    Group,
    /// Part of the name of a group before it.
    People,
    /// A word of this class.
    Class(u8),
    /// Anything else.
    Word,
}

/// What the word of this hash is.
pub(super) fn kind(hash: u32) -> Kind {
    let mut slot = first_slot(hash);
    loop {
        match TABLE.get(slot).copied() {
            None | Some(0) => return Kind::Word,
            Some(entry) if entry & OF_HASH == hash & OF_HASH => {
                return match entry & !OF_HASH {
                    0 => Kind::People,
                    1 => Kind::Group,
                    _ => Kind::Class((entry.to_le_bytes()[0] & !OF_HASH.to_le_bytes()[0]) - 1),
                };
            }
            Some(_) => slot = (slot + 1) % SLOTS,
        }
    }
}

/// The names of all groups, for those who make texts with them.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(word: &str) -> u32 {
        word.bytes().fold(HASH_START, step)
    }

    #[test]
    fn names_and_their_plurals_are_groups() {
        for name in names() {
            assert_eq!(kind(hash(name)), Kind::Group, "{name}");
            assert_eq!(kind(hash(&format!("{name}s"))), Kind::Group, "{name}s");
        }
        assert_eq!(kind(hash("people")), Kind::People);
        for word in [
            "the", "kill", "child", "girl", "are", "bomb", "process", "hate", "poor", "old",
        ] {
            assert!(
                !matches!(kind(hash(word)), Kind::Group | Kind::People),
                "{word}"
            );
        }
    }

    #[test]
    fn words_that_stand_for_each_other_are_of_one_class() {
        let same = |words: &[&str]| {
            let kinds: Vec<Kind> = words.iter().map(|word| kind(hash(word))).collect();
            assert!(matches!(kinds[0], Kind::Class(_)), "{words:?}");
            assert!(kinds.iter().all(|other| *other == kinds[0]), "{words:?}");
        };
        same(&["ignore", "scrapped", "override", "void"]);
        same(&["instructions", "rule", "preamble", "prompts"]);
        same(&["kill", "murdering", "stab"]);
        assert_eq!(kind(hash("lighthouse")), Kind::Word);
    }
}
