"""Texts with personal data whose places are known, and texts that only look as if they had some: made from a seed, for `make eval`."""

import random
import string

LETTERS = string.ascii_uppercase
FIRST = ["James", "Maria", "Wei", "Aisha", "Lukas", "Sofia", "Omar", "Chloé", "Priya", "John", "Emma", "Noah"]
LAST = ["Miller", "García", "Chen", "Khan", "Schmidt", "Rossi", "Dubois", "Okafor", "Silva", "Novak", "Smith", "O'Brien"]
STREETS = ["Maple", "Oak Hill", "Evergreen", "Second", "Washington", "King's", "Station", "Victoria", "Cedar", "Old Mill"]


class Made:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def digits(self, count):
        return "".join(self.random.choice(string.digits) for _ in range(count))

    def pick(self, items):
        return self.random.choice(items)

    def until(self, make, fits):
        while True:
            value = make()
            if fits(value):
                return value


def luhn(number):
    digits = [int(digit) for digit in number][::-1]
    return (sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def grouped(number, sizes, separator):
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at:at + size])
        at += size
    return separator.join(parts)


def card(m):
    prefix, length = m.pick([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("6011", 16), ("34", 15), ("37", 15), ("3528", 16), ("36", 14)])
    number = m.until(lambda: prefix + m.digits(length - len(prefix)), luhn)
    if length == 16:
        return m.pick([number, grouped(number, [4] * 4, " "), grouped(number, [4] * 4, "-")])
    if length == 15:
        return m.pick([number, grouped(number, [4, 6, 5], " "), grouped(number, [4, 6, 5], "-")])
    return m.pick([number, grouped(number, [4, 6, 4], " ")])


def ssn(m):
    return m.pick(["{}-{}-{}", "{}-{}-{}", "{} {} {}"]).format(m.random.randint(100, 665), str(m.random.randint(1, 99)).zfill(2), str(m.random.randint(1, 9999)).zfill(4))


def phone(m):
    area, exchange, line = m.random.randint(201, 989), m.random.randint(201, 989), m.digits(4)
    return m.pick([
        f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"{area}.{exchange}.{line}", f"+1 {area} {exchange} {line}", f"+1-{area}-{exchange}-{line}",
        f"+44 20 {m.digits(4)} {m.digits(4)}", f"+49 {m.random.randint(30, 89)} {m.digits(7)}", f"+33 6 {m.digits(2)} {m.digits(2)} {m.digits(2)} {m.digits(2)}",
        f"07{m.digits(3)} {m.digits(6)}", f"+91 9{m.digits(4)} {m.digits(5)}", f"020 7{m.digits(3)} {m.digits(4)}", f"001-{area}-{exchange}-{line}x{m.digits(3)}",
    ])


def iban(m):
    country, length, letters = m.pick([("DE", 22, 0), ("GB", 22, 4), ("FR", 27, 0), ("NL", 18, 4), ("ES", 24, 0), ("IT", 27, 1), ("CH", 21, 0)])
    body = "".join(m.pick(LETTERS) for _ in range(letters)) + m.digits(length - 4 - letters)
    number = "".join(str(int(c, 36)) for c in body + country + "00")
    value = country + str(98 - int(number) % 97).zfill(2) + body
    return m.pick([value, " ".join(value[at:at + 4] for at in range(0, length, 4))])


def email(m):
    name = m.pick(FIRST).lower().replace("é", "e") + m.pick([".", "_", "", "+news."]) + m.pick(LAST).lower().replace("'", "").replace("í", "i")
    return name + m.pick(["", m.digits(2)]) + "@" + m.pick(["example.com", "mail.example.org", "corp.example.co.uk", "uni-example.de", "sub.example.io"])


def ipv4(m):
    return ".".join(str(m.random.randint(1, 254)) for _ in range(4))


def ipv6(m):
    return m.pick([":".join("%x" % m.random.randint(0x1000, 0xffff) for _ in range(8)), "2001:db8::%x:%x" % (m.random.randint(1, 0xffff), m.random.randint(1, 0xffff)), "fe80::%x" % m.random.randint(1, 0xffff)])


def key(m):
    token = lambda count: "".join(m.pick(string.ascii_letters + string.digits) for _ in range(count - 2)) + m.digits(2)
    return m.pick(["sk-proj-" + token(40), "AKIA" + "".join(m.pick(LETTERS + string.digits) for _ in range(15)) + m.digits(1), "ghp_" + token(36), "xoxb-" + m.digits(11) + "-" + token(24), "hf_" + token(34), "sk_live_" + token(24)])


def mac(m):
    return m.pick([":", "-"]).join("%02X" % m.random.randint(0, 255) for _ in range(6))


def weighted(number, weights):
    return sum(int(digit) * weight for digit, weight in zip(number, weights))


def nino(m):
    first, second = m.pick("ABCEGHJKLMNOPRSTWXYZ"), m.pick("ABCEGHJKLMNPRSTWXYZ")
    pair = first + second
    if pair in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ"):
        pair = "AB"
    number = m.digits(6)
    return m.pick([pair + number + m.pick("ABCD"), f"{pair} {number[:2]} {number[2:4]} {number[4:]} {m.pick('ABCD')}"])


def cpf(m):
    number = m.digits(9)
    for size in (10, 11):
        number += str(weighted(number, range(size, 1, -1)) * 10 % 11 % 10)
    return m.pick([f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}", number])


def aadhaar(m):
    d = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    table = ["0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"]
    swap = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

    def valid(number):
        check = 0
        for place, digit in enumerate(reversed(number)):
            value = int(digit)
            for _ in range(place % 8):
                value = swap[value]
            check = int(table[check][value])
        return check == 0
    number = m.until(lambda: m.pick("23456789") + m.digits(11), valid)
    return m.pick([grouped(number, [4, 4, 4], " "), number])


def tax_id(m):
    def valid(number):
        counts = [number[:10].count(digit) for digit in string.digits]
        product = 10
        for digit in number[:10]:
            total = (int(digit) + product) % 10 or 10
            product = total * 2 % 11
        return number[0] != "0" and sum(count > 1 for count in counts) == 1 and max(counts) <= 3 and (11 - product) % 10 == int(number[10])

    def make():
        first = m.random.sample(string.digits, 10)
        first[m.random.randrange(1, 10)] = first[0]
        return "".join(first) + m.digits(1)
    number = m.until(make, valid)
    return m.pick([number, grouped(number, [2, 3, 3, 3], " ")])


def nir(m):
    number = f"{m.pick('12')}{m.digits(2)}{str(m.random.randint(1, 12)).zfill(2)}{str(m.random.randint(10, 95))}{m.digits(6)}"
    value = number + str(97 - int(number) % 97).zfill(2)
    return m.pick([value, grouped(value, [1, 2, 2, 2, 3, 3, 2], " ")])


def date(m):
    day, month, year = m.random.randint(1, 28), m.random.randint(1, 12), m.random.randint(1940, 2010)
    name = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"][month - 1]
    return m.pick([f"{month:02}/{day:02}/{year}", f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{name} {day}, {year}", f"{day} {name} {year}"])


def address(m):
    number, street, kind = m.random.randint(1, 9999), m.pick(STREETS), m.pick(["Street", "St", "Avenue", "Ave", "Road", "Lane", "Drive", "Blvd", "Terrace"])
    return m.pick([
        f"{number} {street} {kind}, Springfield, IL {m.digits(5)}", f"{number} {street} {kind}, Apt {m.random.randint(1, 99)}, Portland, OR {m.digits(5)}",
        f"{m.random.randint(1, 200)} {street} Road, London SW{m.random.randint(1, 9)}A {m.random.randint(1, 9)}AB", f"{number} {street} {kind}",
    ])


def vin(m):
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9]))
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    body = [m.pick("ABCDEFGHJKLMNPRSTUVWXYZ123456789") for _ in range(11)] + list(m.digits(6))
    total = sum((values.get(c) or int(c) if c in values or c.isdigit() else 0) * weight for c, weight in zip(body, weights))
    body[8] = "0123456789X"[(total - 0) % 11]
    return "".join(body)


def bsn(m):
    return m.until(lambda: m.pick("123456789") + m.digits(8), lambda n: (weighted(n[:8], range(9, 1, -1)) - int(n[8])) % 11 == 0)


def sin(m):
    number = m.until(lambda: m.pick("1234567") + m.digits(8), luhn)
    return m.pick([grouped(number, [3, 3, 3], "-"), grouped(number, [3, 3, 3], " "), number])


def tfn(m):
    number = m.until(lambda: m.digits(9), lambda n: weighted(n, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 == 0 and n != n[0] * 9)
    return m.pick([number, grouped(number, [3, 3, 3], " ")])


def nif(m):
    number = m.digits(8)
    return number + m.pick(["", "-"]) + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def nhs(m):
    def valid(number):
        check = 11 - weighted(number, range(10, 1, -1)) % 11
        return number != number[0] * 10 and (0 if check == 11 else check) == int(number[9])
    number = m.until(lambda: m.digits(10), valid)
    return m.pick([number, grouped(number, [3, 3, 4], " ")])


def npi(m):
    return m.until(lambda: m.pick("12") + m.digits(9), lambda n: luhn("80840" + n))


def dea(m):
    number = m.digits(6)
    check = (int(number[0]) + int(number[2]) + int(number[4]) + 2 * (int(number[1]) + int(number[3]) + int(number[5]))) % 10
    return m.pick("ABFM") + m.pick(LETTERS) + number + str(check)


def routing(m):
    return m.until(lambda: m.pick(["02", "11", "26", "31"]) + m.digits(7), lambda n: weighted(n, [3, 7, 1] * 3) % 10 == 0)


# For each entity: how a value is made, and sentences that hold it. `{}` is the value.
CASES = {
    "EMAIL": (email, ["Please write to {} for details.", "From: {}", "my address is {}, thanks", '{{"user": "{}"}}', "cc {}; and the others"]),
    "PHONE": (phone, ["Call me at {} tomorrow.", "Phone: {}", "You can reach our office on {}.", "mobile {}", '"phone": "{}",', "My number is {} if it rains."]),
    "SSN": (ssn, ["My SSN is {}.", "Social security number: {}", "ssn={}", "The applicant ({}) has moved.", "SSN {} belongs to her"]),
    "CREDIT_CARD": (card, ["Charge {} please.", "card number: {}", "I paid with {} yesterday", "Visa {}, exp 11/27", '"pan": "{}"']),
    "IBAN": (iban, ["Send it to {}.", "IBAN: {}", "our account {} at the bank", "pay {}, reference 12"]),
    "IP_ADDRESS": (ipv4, ["The server at {} is down.", "login from {} failed", "ip={}", "allow {} through the firewall"]),
    "IP_ADDRESS ": (ipv6, ["The host {} answers.", "login from {} failed", "address {} is taken"]),
    "MAC_ADDRESS": (mac, ["The card {} got a lease.", "ether {} txqueuelen 1000", "MAC: {}"]),
    "API_KEY": (key, ["export OPENAI_KEY={}", "use the key {} for now", 'token: "{}"', "it said {} is wrong"]),
    "US_ITIN": (lambda m: f"9{m.digits(2)}-{m.random.randint(70, 88)}-{m.digits(4)}", ["ITIN: {}", "her taxpayer number {} is new"]),
    "UK_NINO": (nino, ["NI number {}", "National Insurance: {}", "his NINO is {}."]),
    "UK_NHS": (nhs, ["NHS number {}", "NHS no: {}"]),
    "CA_SIN": (sin, ["SIN: {}", "My social insurance number is {}."]),
    "DE_TAX_ID": (tax_id, ["Steuer-ID: {}", "Meine Steueridentifikationsnummer lautet {}.", "German tax ID {}"]),
    "FR_NIR": (nir, ["Numéro de sécurité sociale : {}", "NIR {}", "Mon numéro est {}."]),
    "ES_NIF": (nif, ["DNI {}", "NIF: {}", "con documento {} y firma"]),
    "NL_BSN": (bsn, ["BSN {}", "burgerservicenummer: {}", "Mijn BSN is {}."]),
    "IN_AADHAAR": (aadhaar, ["Aadhaar {}", "My Aadhaar number is {}."]),
    "IN_PAN": (lambda m: "".join(m.pick(LETTERS) for _ in range(3)) + m.pick("PCHF") + m.pick(LETTERS) + m.digits(4) + m.pick(LETTERS), ["PAN: {}", "PAN card {} attached"]),
    "BR_CPF": (cpf, ["CPF {}", "CPF: {}", "meu CPF é {}."]),
    "AU_TFN": (tfn, ["TFN: {}", "My tax file number is {}."]),
    "PASSPORT": (lambda m: m.pick([m.pick(LETTERS) + m.digits(8), m.digits(9), m.pick(LETTERS) + m.pick(LETTERS) + m.digits(7)]), ["Passport number: {}", "passport {} expires soon", "My passport no. is {}."]),
    "DRIVERS_LICENSE": (lambda m: m.pick([m.pick(LETTERS) + m.digits(7), m.pick(LETTERS) + m.digits(12), m.digits(8)]), ["Driver's license: {}", "driver license number {}", "My driving licence is {}."]),
    "DATE_OF_BIRTH": (date, ["DOB: {}", "Date of birth: {}", "She was born on {} in Leeds.", "birthdate {}"]),
    "STREET_ADDRESS": (address, ["I live at {}.", "Address: {}", "Ship it to {} please.", "The house at {} is sold."]),
    "BANK_ROUTING": (routing, ["Routing number: {}", "ABA routing {}"]),
    "BANK_ACCOUNT": (lambda m: m.digits(m.random.randint(8, 12)), ["Account number: {}", "bank account {} at the branch", "acct no. {}"]),
    "VIN": (vin, ["VIN: {}", "The car with VIN {} was sold."]),
    "CVV": (lambda m: m.digits(3), ["CVV: {}", "the security code is {}"]),
    "URL_CREDENTIALS": (lambda m: f"postgres://{m.pick(['app', 'root'])}:{m.digits(3)}Secret@db{m.digits(1)}.example.com:5432/main", ["DATABASE_URL={}", "connect to {} now"]),
    "CRYPTO": (lambda m: m.pick(["1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "0x" + "".join(m.pick("0123456789abcdef") for _ in range(40))]), ["Send BTC to {}.", "wallet: {}"]),
    "MRN": (lambda m: m.pick(["", "A"]) + m.digits(8), ["MRN: {}", "Medical record number {}"]),
    "NPI": (npi, ["NPI {}", "Provider NPI: {}"]),
    "DEA_NUMBER": (dea, ["DEA: {}", "DEA number {}"]),
    "INSURANCE_ID": (lambda m: m.pick(LETTERS) + m.pick(LETTERS) + m.pick(LETTERS) + m.digits(9), ["Member ID: {}", "insurance ID {}", "Policy number {}"]),
}

CORE = ["EMAIL", "PHONE", "SSN", "CREDIT_CARD", "IBAN", "IP_ADDRESS", "MAC_ADDRESS", "API_KEY", "URL_CREDENTIALS"]

LOOK_ALIKES = [
    lambda m: f"Version {m.random.randint(0, 20)}.{m.random.randint(0, 99)}.{m.random.randint(0, 999)} of the package is out.",
    lambda m: f"The build {m.random.randint(1, 9)}.{m.random.randint(1, 30)}.{m.digits(4)}.{m.digits(5)} failed.",
    lambda m: f"Order number {m.digits(10)} was shipped.",
    lambda m: f"Ticket #{m.digits(9)} is closed.",
    lambda m: f"epoch {1600000000 + m.random.randint(0, 10**8)} seconds",
    lambda m: f"at {1600000000000 + m.random.randint(0, 10**11)} ms",
    lambda m: f"id: {m.digits(8)}-{m.digits(4)}-4{m.digits(3)}-8{m.digits(3)}-{m.digits(12)}",
    lambda m: "uuid " + "-".join("".join(m.pick("0123456789abcdef") for _ in range(size)) for size in (8, 4, 4, 4, 12)),
    lambda m: "sha256 " + "".join(m.pick("0123456789abcdef") for _ in range(64)),
    lambda m: "commit " + "".join(m.pick("0123456789abcdef") for _ in range(40)),
    lambda m: "md5 " + "".join(m.pick("0123456789abcdef") for _ in range(32)),
    lambda m: f"ISBN 978-{m.digits(1)}-{m.digits(3)}-{m.digits(5)}-{m.digits(1)}",
    lambda m: f"ISBN-13: 978{m.digits(10)}",
    lambda m: f"the years {m.random.randint(1900, 1990)}-{m.random.randint(1991, 2024)} were hard",
    lambda m: f"on {m.random.randint(2000, 2026)}-0{m.random.randint(1, 9)}-1{m.digits(1)} at 1{m.digits(1)}:2{m.digits(1)}:3{m.digits(1)}.{m.digits(6)}",
    lambda m: f"pi is {m.random.random() * 10:.12f}",
    lambda m: f"coordinates {m.random.uniform(-90, 90):.6f}, {m.random.uniform(-180, 180):.6f}",
    lambda m: f"It costs ${m.random.randint(1, 999)},{m.digits(3)}.{m.digits(2)} in total.",
    lambda m: f"Invoice INV-{m.digits(4)}-{m.digits(6)} is due.",
    lambda m: f"tracking 1Z{m.digits(3)}AA1{m.digits(10)} arrived",
    lambda m: f"card ending in {m.digits(4)}",
    lambda m: f"card {m.until(lambda: '4' + m.digits(15), lambda n: not luhn(n))} was refused",
    lambda m: f"{m.random.randint(100, 999)}-{m.random.randint(1000, 9999)} results in {m.digits(2)} ms",
    lambda m: f"scores {m.digits(2)} {m.digits(2)} {m.digits(2)} {m.digits(2)} {m.digits(2)}",
    lambda m: f"std::vec::Vec, a::b::{m.pick('cdefg')}, at 12:{m.digits(2)}",
    lambda m: f"user@localhost ran job {m.digits(6)}",
    lambda m: f"@{m.pick(FIRST)} wrote {m.digits(3)} lines @ {m.digits(2)}%",
    lambda m: f"part number {m.pick(LETTERS)}{m.pick(LETTERS)}{m.digits(6)}-{m.digits(2)}",
    lambda m: f"flight LH{m.digits(4)} leaves gate {m.digits(2)}",
    lambda m: f"model RTX-{m.digits(4)} with {m.digits(5)} cores",
    lambda m: f"0x{m.digits(8)} is the address of the function",
    lambda m: f"see section {m.digits(1)}.{m.digits(1)}.{m.digits(2)} and RFC {m.digits(4)}",
    lambda m: f"chapter 3 of {m.random.randint(1900, 2020)} pages on the road",
    lambda m: f"population {m.digits(3)} {m.digits(3)} {m.digits(3)} in the region",
    lambda m: f"ratio {m.digits(3)}.{m.digits(3)} to {m.digits(2)}.{m.digits(4)}",
    lambda m: f"port {m.digits(5)}, pid {m.digits(5)}, exit {m.digits(3)}",
    lambda m: f"log {m.digits(8)}_{m.digits(6)}.txt has {m.digits(7)} bytes",
    lambda m: f"https://example.com/items/{m.digits(9)}?page={m.digits(2)}",
    lambda m: f"EAN {m.digits(13)} on the shelf",
    lambda m: f"the {m.random.randint(2, 9)} roads to {m.pick(['Rome', 'Leeds'])} are closed",
]

FILLERS = ["", "Hello, ", "As discussed, ", "Note to self: ", "Hi team,\n\n", "1. ", "- ", "In the ticket of last week it said that ", "> "]
TAILS = ["", " Thanks!", "\nBest regards", " Please keep this private.", " (see above)", "\n\nLet me know."]


def positives(seed, per_entity):
    """Rows with `text` and `spans` of (entity, start, end)."""
    m = Made(seed)
    rows = []
    for entity, (make, sentences) in CASES.items():
        for _ in range(per_entity):
            value = make(m)
            before, after = m.pick(sentences).replace("{{", "\0").replace("}}", "\1").split("{}")
            text = m.pick(FILLERS) + before.replace("\0", "{").replace("\1", "}")
            start = len(text)
            text += value + after.replace("\0", "{").replace("\1", "}") + m.pick(TAILS)
            rows.append({"text": text, "spans": [(entity.strip(), start, start + len(value))]})
    return rows


def look_alikes(seed, per_kind):
    """Texts without personal data."""
    m = Made(seed)
    return [{"text": m.pick(FILLERS) + make(m) + m.pick(TAILS), "spans": []} for make in LOOK_ALIKES for _ in range(per_kind)]
