//! What detectors find, and what it is called.

use serde::{Deserialize, Serialize};

macro_rules! entities {
    ($($(#[$doc:meta])* $entity:ident = $name:literal $(| $alias:literal)* ;)*) => {
        /// A kind of personal data. Names follow the product's markers; Presidio's are accepted too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Entity {
            $($(#[$doc])* #[serde(rename = $name)] $entity,)*
        }

        impl Entity {
            /// Every entity, in the order that decides between equally long findings.
            pub const ALL: &'static [Self] = &[$(Self::$entity),*];

            /// The product's name, as in markers (`[EMAIL_REDACTED]`) and events.
            pub fn name(self) -> &'static str {
                match self { $(Self::$entity => $name,)* }
            }

            /// The entity that a configuration names, in any case.
            pub fn from_name(name: &str) -> Option<Self> {
                Some(match name.to_ascii_uppercase().as_str() {
                    $($name $(| $alias)* => Self::$entity,)*
                    _ => return None,
                })
            }
        }
    };
}

entities! {
    /// A key or token of a service, or a private key.
    ApiKey = "API_KEY" | "SECRET";
    /// A URL that carries a user name and a password.
    UrlCredentials = "URL_CREDENTIALS";
    /// An e-mail address.
    Email = "EMAIL" | "EMAIL_ADDRESS";
    /// A payment card number.
    CreditCard = "CREDIT_CARD";
    /// The verification code of a payment card.
    Cvv = "CVV" | "CVC";
    /// The name on a payment card.
    CardholderName = "CARDHOLDER_NAME";
    /// An international bank account number.
    Iban = "IBAN" | "IBAN_CODE";
    /// An address of a cryptocurrency.
    Crypto = "CRYPTO" | "CRYPTO_WALLET";
    /// A vehicle identification number.
    Vin = "VIN";
    /// A United States social security number.
    Ssn = "SSN" | "US_SSN";
    /// A United States individual taxpayer identification number.
    UsItin = "US_ITIN" | "ITIN";
    /// A United States employer identification number.
    UsEin = "US_EIN" | "EIN";
    /// A British national insurance number.
    UkNino = "UK_NINO" | "NINO";
    /// A British National Health Service number.
    UkNhs = "UK_NHS" | "NHS";
    /// A Canadian social insurance number.
    CaSin = "CA_SIN" | "SIN";
    /// A German tax identification number.
    DeTaxId = "DE_TAX_ID" | "STEUER_ID";
    /// A French social security number.
    FrNir = "FR_NIR" | "FR_SSN";
    /// A Spanish tax number of citizens.
    EsNif = "ES_NIF" | "ES_DNI";
    /// A Spanish number of foreigners.
    EsNie = "ES_NIE";
    /// An Italian fiscal code.
    ItFiscalCode = "IT_FISCAL_CODE";
    /// A Dutch citizen service number.
    NlBsn = "NL_BSN" | "BSN";
    /// An Indian Aadhaar number.
    InAadhaar = "IN_AADHAAR" | "AADHAAR";
    /// An Indian permanent account number.
    InPan = "IN_PAN";
    /// A Brazilian taxpayer number of persons.
    BrCpf = "BR_CPF" | "CPF";
    /// An Australian tax file number.
    AuTfn = "AU_TFN" | "TFN";
    /// An Australian Medicare number.
    AuMedicare = "AU_MEDICARE";
    /// A Polish identification number.
    PlPesel = "PL_PESEL" | "PESEL";
    /// A passport number.
    Passport = "PASSPORT" | "US_PASSPORT" | "UK_PASSPORT" | "DE_PASSPORT" | "ES_PASSPORT" | "IT_PASSPORT" | "IN_PASSPORT";
    /// The number of a driver's licence.
    DriversLicense = "DRIVERS_LICENSE" | "DRIVER_LICENSE" | "US_DRIVER_LICENSE" | "UK_DRIVING_LICENCE" | "IT_DRIVER_LICENSE";
    /// A medical record number.
    Mrn = "MRN" | "MEDICAL_RECORD_NUMBER";
    /// A United States national provider identifier.
    Npi = "NPI" | "US_NPI";
    /// A registration number of the United States Drug Enforcement Administration.
    DeaNumber = "DEA_NUMBER" | "DEA" | "MEDICAL_LICENSE";
    /// The number of a member of a health insurance.
    InsuranceId = "INSURANCE_ID" | "HEALTH_INSURANCE_ID" | "US_MBI";
    /// The routing number or sort code of a bank.
    BankRouting = "BANK_ROUTING" | "ABA_ROUTING_NUMBER";
    /// The number of a bank account.
    BankAccount = "BANK_ACCOUNT" | "US_BANK_NUMBER";
    /// A telephone number.
    Phone = "PHONE" | "PHONE_NUMBER";
    /// An IPv4 or IPv6 address.
    IpAddress = "IP_ADDRESS";
    /// The hardware address of a network device.
    MacAddress = "MAC_ADDRESS";
    /// A date of birth.
    DateOfBirth = "DATE_OF_BIRTH" | "DOB";
    /// A street address of the United States or the United Kingdom.
    StreetAddress = "STREET_ADDRESS" | "ADDRESS";
}

impl Entity {
    /// What `healthcare_mode` adds.
    pub const HEALTHCARE: [Self; 4] = [Self::Mrn, Self::Npi, Self::DeaNumber, Self::InsuranceId];

    /// What `pci_mode` adds to card numbers, which are always looked for.
    pub const PCI: [Self; 2] = [Self::Cvv, Self::CardholderName];

    /// Whether no character of a value may be shown, not even in part.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::ApiKey | Self::UrlCredentials | Self::Cvv)
    }
}
