//! Words that stand for each other in what is looked for: whom an order speaks to, what it cancels, what it wants. A word of a class is
//! read as itself and as its class, and classes that follow each other within a few words are read together, so what was learned of "scrap the
//! earlier directives" holds for "throw out the old script".

/// Classes that follow each other at a larger distance, in words, say nothing together.
pub(super) const REACH: u8 = 7;

/// The words of every class; a plural with `s` is known too. A class is its place in this list, from one on.
pub(super) const CLASSES: [&str; 31] = [
    // Whom an order speaks to.
    "ai ais assistant agent llm model chatbot bot copilot gpt chatgpt claude gemini bard siri alexa aria gpt4 llama",
    // What is done to orders.
    "ignore ignored ignoring disregard disregarded disregarding forget forgetting override overridden overriding overwrite overwritten bypass bypassed \
     bypassing discard discarded cancel canceled cancelled cancelling scrap scrapped void voided wipe wiped erase erased reset abandon abandoned \
     abandoning neglect neglected dismiss dismissed suspend suspended lift lifted revoke revoked obsolete invalid expired replace replaced annul annulled \
     nullify nullified unlearn ditch delete deleted deactivate deactivated disable disabled skip skipped drop dropped circumvent violate disobey",
    // The orders.
    "instruction rule guideline guidance directive directions prompt preprompt preamble order policy policies restriction constraint limit limitation \
     setup configuration config brief briefing script programming persona boundary boundaries command regulation protocol safeguard guardrail filter \
     directives mandate programme assignment censorship",
    // Which of them.
    "previous previously prior above earlier before preceding precede precedes initial initially original originally first beginning start old former foregoing \
     hidden internal preset existing current past",
    // What is done to read them.
    "reveal show print output repeat display quote copy paste recite leak disclose dump verbatim reproduce echo expose divulge regurgitate summarize \
     summarise paraphrase",
    // What is kept.
    "password passphrase passcode secret key codeword flag pin vault credential hint passkey passwort safeword token phrase",
    // How it is asked for in disguise.
    "spell spelled spelling letter character encode encoded translate translated reverse reversed rhyme rhymes ascii base64 morse cipher caesar rot13 acrostic \
     poem anagram vowel consonant pig synonym riddle backwards backward emoji alphabet haiku crossword hex binary alphabetical",
    // What takes the place of orders.
    "now instead new real actual henceforth onward onwards updated hereafter starting",
    // For whom a model works.
    "user customer owner client operator admin administrator developer creator engineer",
    // Duties.
    "must should shall need needs required please always ought important need kindly supposed obligated necessary urgent mandatory",
    // Silence.
    "never dont not without silently quiet quietly mention mentioning inform informing confirm confirmation telling asking alert notify",
    // What tools do.
    "send forward email mail upload transfer wire remove execute run call open book buy grant unlock approve share invite export install exfiltrate pay \
     post append submit schedule purchase retrieve visit fetch curl sending forwarding transferring",
    // When a model meets a text.
    "read reading reads process processes processing review reviewing parse parsing analyze analyse summarizing summarising summarizes translating \
     retrieved browsing answering responding replying proceeding scanning reader",
    // What an attacker wants.
    "conversation history inbox contact file env calendar record account data database email address message mailbox attachment cookie transcript",
    // Roles.
    "act pretend roleplay imagine simulate play character role dan voice pose impersonate",
    // Freedom.
    "unrestricted unfiltered uncensored jailbreak jailbroken evil ethics ethical moral morals unlimited freely anything limitless amoral unbound",
    // What hurts.
    "kill killing murder murdering poison poisoning stab stabbing strangle strangling shoot shooting beat beating hurt hurting torture torturing drown \
     abduct kidnap kidnapping rape assassinate choke suffocate harm injure behead lynch blow maim mutilate slaughter massacre attack attacking burn arson \
     sabotage destroy derail",
    // What takes from others, or cheats them.
    "steal stealing rob robbing hack hacking forge forging launder laundering bribe bribing blackmail blackmailing scam scamming phish phishing skim \
     hotwire smuggle smuggling counterfeit extort embezzle cheat cheating shoplift shoplifting defraud fake pirate crack plagiarize evade evading fraud \
     burglarize burgle swindle trick deceive impersonating intercept spoof hijack",
    // Weapons.
    "bomb gun explosive rifle grenade weapon ammunition knife pistol missile sarin anthrax ricin detonator molotov firearm silencer toxin nerve \
     bioweapon landmine napalm ied",
    // Drugs.
    "cocaine heroin meth methamphetamine opioid fentanyl lsd mdma ecstasy drug pill xanax steroid amphetamine ketamine oxycodone crystal",
    // Not being seen.
    "undetected unnoticed caught traced noticing undetectable untraceable secretly suspicion suspicious evidence anonymous anonymously unseen knowing \
     detection detected trace covertly stealthily consent permission illegally illegal dark",
    // Victims.
    "someone somebody someones person neighbor neighbour wife husband boss girlfriend boyfriend colleague coworker flatmate roommate ex kid child \
     children teenager minor mother father sister brother daughter son victim stranger employee grandmother partner student girl boy",
    // Asking how.
    "how way step method technique guide trick teach explain plan tutorial best easiest provide describe detailed strategy strategies",
    // Programs that harm.
    "malware ransomware virus worm trojan keylogger botnet exploit ddos rootkit spyware backdoor payload spam",
    // Threats.
    "threaten threatening harass harassing stalk stalking bully bullying humiliate intimidate groom grooming molest manipulate coerce insult degrade \
     ridicule isolate discriminate terrorize",
    // Contempt.
    "vermin inferior subhuman exterminate deport scum filth hate hateful parasite cockroach disgusting supremacy superior racist trash disease",
    // What is stolen.
    "money card bank saving credit identity passport car house store shop license wallet insurance jewelry",
    // Refusing.
    "sorry cannot cant wont unable decline refuse apologize illegal crime dangerous unethical inappropriate wrong law legal harmful",
    // Telling step by step.
    "then next finally once until mix add put take use make get find create start gather ensure remember simply wait wear choose",
    // Defence.
    "prevent avoid protect stop detect report against warn safe defend recover help support safety security protection",
    // Sex.
    "sex sexual sexually porn pornographic nude naked erotic explicit nudes underage incest orgasm fetish penis vagina breasts",
];
