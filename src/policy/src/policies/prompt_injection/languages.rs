//! Overrides and extractions in other languages than English.
//!
//! Where the verb stands last (Turkish, Hindi, Persian, Japanese, Korean) what is to be ignored comes first. Chinese, Japanese and Korean are
//! written in pairs of characters, which is how `kt_text::phrases` reads them; accents are folded, so they are left out where that
//! reads better.

use super::phrase;
use kt_text::phrases::Phrase;

/// Instruction override.
#[rustfmt::skip]
pub(super) const OVERRIDE: &[Phrase] = &[
    // German
    phrase("ignoriere|ignorieren|ignorier|vergiss|vergesse|vergessen|missachte|missachten|verwirf|umgehe|überschreibe|übergehe vorherigen|vorherige|vorigen|vorige|bisherigen|bisherige|obigen|obige|früheren|frühere|vorangegangenen|vorangehenden|vorstehenden|deine|ursprünglichen anweisungen|anweisung|instruktionen|befehle|befehl|regeln|vorgaben|richtlinien|anordnungen|aufforderungen|prompts|prompt|einschränkungen", 3, 0.9),
    phrase("ignoriere|ignorieren|vergiss|vergessen|missachte alle anweisungen|instruktionen|vorgaben|richtlinien|sicherheitsregeln|einschränkungen", 1, 0.85),
    phrase("ignoriere|vergiss|vergessen|ignorieren alles vorher|vorherige|bisherige|oben|obige|zuvor|davor|bisher", 3, 0.85),
    phrase("anweisungen|instruktionen|regeln|vorgaben oben|zuvor|bisher|vorher ignorieren|vergessen|missachten", 3, 0.85),
    phrase("befolge|beachte anweisungen|regeln|vorgaben nicht mehr", 3, 0.82),
    // French
    phrase("ignore|ignorez|ignorer|dignorer|oublie|oubliez|oublier|doublier|néglige|négligez|outrepasse|contourne|annule|abandonne instructions|consignes|directives|règles|ordres|commandes|restrictions|invites précédentes|précédents|antérieures|antérieurs|dessus|initiales|données|reçues|préalables|avant", 3, 0.9),
    phrase("ignore|ignorez|ignorer|oublie|oubliez|oublier tes|vos instructions|consignes|directives|règles|restrictions", 2, 0.85),
    phrase("oublie|oubliez|ignore|ignorez tout précède|avant|précédemment|dessus", 5, 0.85),
    phrase("ne suis|suivez|respecte|tiens|tenez plus|pas instructions|consignes|règles précédentes|antérieures|dessus", 3, 0.85),
    // Spanish
    phrase("ignora|ignore|ignorar|ignorad|ignoren|olvida|olvide|olvidar|olvídate|descarta|descarte|omite|omita|desatiende|anula|salta instrucciones|indicaciones|órdenes|reglas|directrices|normas|restricciones|mensajes|comandos anteriores|previas|previos|arriba|iniciales|recibidas|originales|dadas|antes|precedentes", 3, 0.9),
    phrase("ignora|ignore|ignorar|olvida|olvide|olvidar|descarta tus|sus instrucciones|indicaciones|reglas|directrices|restricciones", 2, 0.85),
    phrase("olvida|olvide|ignora|ignore|olvídate todo anterior|antes|previo|arriba|dicho", 4, 0.85),
    phrase("no sigas|siga|obedezcas|cumplas instrucciones|indicaciones|reglas anteriores|previas|arriba", 3, 0.82),
    // Italian
    phrase("ignora|ignorate|ignorare|ignori|dimentica|dimenticate|dimenticare|dimentichi|trascura|scarta|annulla|tralascia|disattendi istruzioni|indicazioni|direttive|regole|ordini|comandi|restrizioni precedenti|sopra|iniziali|ricevute|originali|antecedenti|prima|date", 3, 0.9),
    phrase("ignora|ignorate|ignorare|dimentica|dimenticate|trascura tue|vostre|sue|precedenti istruzioni|indicazioni|direttive|regole|restrizioni", 2, 0.88),
    phrase("dimentica|dimenticate|ignora|ignorate tutto precedente|prima|sopra|detto|precede|scritto", 4, 0.85),
    phrase("non seguire|rispettare|obbedire istruzioni|regole|indicazioni precedenti|sopra", 3, 0.82),
    // Portuguese
    phrase("ignore|ignora|ignorar|ignorem|esqueça|esquece|esquecer|desconsidere|desconsidera|desconsiderar|descarte|despreze|anule instruções|orientações|ordens|regras|diretrizes|restrições|comandos|mensagens anteriores|prévias|acima|iniciais|recebidas|originais|dadas|antes|precedentes", 3, 0.9),
    phrase("ignore|ignora|ignorar|esqueça|esquece|esquecer|desconsidere suas|tuas instruções|orientações|regras|diretrizes|restrições", 2, 0.85),
    phrase("esqueça|esquece|ignore|ignora|desconsidere tudo anterior|antes|acima|dito|disse", 4, 0.85),
    phrase("não siga|sigas|obedeça|cumpra instruções|orientações|regras anteriores|acima|prévias", 3, 0.82),
    // Dutch
    phrase("negeer|negeren|vergeet|vergeten|ignoreer|omzeil|sla|overschrijf vorige|voorgaande|eerdere|bovenstaande|voorafgaande|je|jouw|uw|oorspronkelijke instructies|instructie|opdrachten|opdracht|regels|richtlijnen|aanwijzingen|bevelen|prompts|beperkingen", 3, 0.9),
    phrase("negeer|negeren|vergeet alle instructies|opdrachten|richtlijnen|aanwijzingen|regels", 1, 0.85),
    phrase("vergeet|negeer alles hiervoor|eerder|hierboven|voorafging|ervoor|bovenstaande", 4, 0.85),
    phrase("instructies|regels|opdrachten hierboven|hiervoor negeren|vergeten", 3, 0.85),
    // Polish
    phrase("zignoruj|zignorujcie|ignoruj|ignorować|zignorować|zapomnij|pomiń|pominąć|odrzuć|lekceważ|unieważnij|anuluj poprzednie|poprzednich|wcześniejsze|wcześniejszych|powyższe|powyższych|dotychczasowe|dotychczasowych|swoje|swoich|wszystkie|pierwotne instrukcje|instrukcji|instrukcjach|polecenia|poleceń|poleceniach|zasady|zasad|zasadach|wytyczne|wytycznych|reguły|rozkazy|ograniczenia|komendy", 3, 0.9),
    phrase("zapomnij|zignoruj|pomiń wszystko|wszystkim wcześniej|powyżej|dotąd|poprzednio|przedtem", 4, 0.85),
    // Turkish: what is to be ignored comes first.
    phrase("önceki|yukarıdaki|evvelki|daha|tüm|bütün talimatları|talimatlari|talimatlarını|talimatlarının|yönergeleri|komutları|kuralları|emirleri|mesajları|istemleri|direktifleri yok|görmezden|göz|unut|unutun|dikkate|boşver|sil|iptal|geçersiz|umursama|yoksay", 3, 0.9),
    phrase("talimatlarını|kurallarını|yönergelerini|talimatları|kuralları unut|unutun|yoksay|umursama|boşver", 1, 0.85),
    phrase("talimatlarını|kurallarını|yönergelerini yok|görmezden|göz say|sayın|gel|gelin|ardı", 1, 0.85),
    phrase("önceki|yukarıdaki her şeyi|şey|herşeyi unut|unutun|yok|görmezden", 3, 0.85),
    // Russian
    phrase("игнорируй|игнорируйте|игнорировать|проигнорируй|проигнорируйте|забудь|забудьте|забыть|отбрось|отмени|отмените|пренебреги|обойди|пропусти предыдущие|предыдущих|предыдущую|прежние|прежних|прошлые|прошлых|предшествующие|вышеуказанные|вышеизложенные|все|свои|твои|ваши|данные|ранее|прошлых|исходные|начальные инструкции|инструкциях|инструкцию|указания|указаниях|правила|правилах|команды|командах|приказы|распоряжения|ограничения|установки|директивы", 3, 0.9),
    phrase("забудь|забудьте|игнорируй|игнорируйте всё|все|обо было|ранее|выше|раньше|сказано|предыдущее|написано", 4, 0.85),
    phrase("не следуй|следуйте|выполняй|выполняйте|соблюдай предыдущим|прежним|предыдущие|прежние|своим инструкциям|указаниям|правилам|инструкции|указания|правила", 2, 0.82),
    phrase("инструкции|указания|правила выше|ранее игнорируй|игнорируйте|забудь|забудьте|отменены|недействительны", 3, 0.85),
    // Ukrainian
    phrase("ігноруй|ігноруйте|ігнорувати|проігноруй|проігноруйте|забудь|забудьте|забути|відкинь|скасуй|скасуйте|знехтуй|пропусти попередні|попередніх|попередню|минулі|вищезазначені|усі|всі|свої|твої|ваші|дані|раніше|наведені|початкові інструкції|інструкцій|інструкцію|вказівки|вказівок|правила|правил|команди|команд|накази|розпорядження|обмеження|настанови", 3, 0.9),
    phrase("забудь|забудьте|ігноруй|ігноруйте все|усе було|раніше|вище|сказано|попереднє|написано", 4, 0.85),
    phrase("не дотримуйся|дотримуйтесь|виконуй|виконуйте попередніх|попередні інструкцій|вказівок|правил|інструкції|вказівки", 2, 0.82),
    // Chinese, simplified and traditional
    phrase("忽略|无视|忘记|忘掉|忽视|不顾|抛弃|丢弃|绕过|跳过|撇开|無視|忘記|忽視|繞過|跳過|拋棄|不理|别管|別管|放弃|放棄 之前|以前|先前|前面|以上|上面|上述|此前|原来|原來|所有|全部|一切|你的|您的|原有|既定|系统|系統 指令|指示|规则|規則|命令|提示|要求|设定|設定|限制|说明|說明|内容|內容|准则|準則|规定|規定|对话|對話|约束|約束|说的|說的|的话|的話", 7, 0.9),
    phrase("把|将|將 之前|以上|前面|上面|先前 指令|指示|规则|規則|命令|提示|要求|内容|內容 忘记|忘掉|忽略|忘記|抛开|拋開|清除|清空|作废|作廢", 7, 0.88),
    phrase("不要|不再|别再|別再|停止 遵守|遵循|遵从|遵從|执行|執行|听从|聽從 之前|以上|先前|前面|原来|你的 指令|指示|规则|規則|命令|提示|设定|設定", 6, 0.85),
    // Japanese
    phrase("これ|以前|前の|上記|今ま|先ほ|先の|従来|あな|すべ|全て|最初|シス 指示|命令|指令|ルー|規則|プロ|制約|指図|ガイ 無視|忘れ|破棄|従わ|取り|リセ|捨て|上書", 12, 0.9),
    phrase("無視|忘れ これ|以前|前の|上記|今ま|すべ|全て 指示|命令|指令|ルー|規則|プロ|制約|設定", 12, 0.85),
    // Korean
    phrase("이전|위의|지금|앞의|앞선|기존|모든|지난|상기|너의|당신|앞에|위에 지시|명령|지침|규칙|프롬|설정|내용|제한|안내|메시 무시|잊어|잊으|잊고|르지|취소|버려|버리|삭제|건너|우회", 9, 0.9),
    phrase("무시|잊어|잊고 이전|지금|앞의|기존|모든 지시|명령|지침|규칙|프롬|설정", 9, 0.85),
    // Hindi
    phrase("पिछले|पिछली|पिछला|पहले|पूर्व|ऊपर|उपरोक्त|सभी|सारे|अपने|पुराने निर्देशों|निर्देश|निर्देशो|आदेशों|आदेश|नियमों|नियम|बातों|अनुदेशों|प्रॉम्प्ट|कमांड अनदेखा|नजरअंदाज|नज़रअंदाज|नजरंदाज|अनदेखी|भूल|भुला|उपेक्षा|अवहेलना|छोड़|रद्द|इग्नोर|ध्यान", 4, 0.9),
    phrase("भूल|भुला|अनदेखा|नजरअंदाज|नज़रअंदाज पहले|पिछले|ऊपर|सब|सभी कहा|बताया|निर्देश|निर्देशों|नियम", 6, 0.85),
    // Arabic
    phrase("تجاهل|تجاهلي|تجاهلوا|تجاهلى|وتجاهل|انس|انسى|انسَ|إنس|انسي|انسوا|أهمل|اهمل|تخطى|تخط|تجاوز|الغ|ألغ|تغاضى|اترك التعليمات|تعليمات|تعليماتك|الأوامر|الاوامر|أوامرك|القواعد|قواعدك|الإرشادات|الارشادات|إرشاداتك|التوجيهات|توجيهاتك|القيود|الرسائل|التوصيات|أوامر|قواعد|توجيهات|إرشادات", 3, 0.85),
    phrase("انس|انسى|تجاهل كل|جميع|ما سبق|السابق|السابقة|قبل|أعلاه|اعلاه|قيل|قلته", 4, 0.85),
    phrase("لا تتبع|تلتزم|تنفذ|تطع التعليمات|الأوامر|القواعد|تعليماتك السابقة|أعلاه|الأصلية", 3, 0.82),
    // Persian
    phrase("دستورات|دستورالعمل|دستورالعملهای|دستورهای|دستور|قوانین|قواعد|راهنمایی|فرمان|دستورالعمل‌های|پیام‌های قبلی|پیشین|بالا|گذشته|خود|قبل|اولیه|سیستم نادیده|فراموش|کنار|رد|لغو|بی‌توجه|اهمیت|پیروی", 5, 0.9),
    phrase("تمام|همه|همهٔ|کلیه دستورات|دستورالعمل|دستورهای|قوانین|دستورالعمل‌های نادیده|فراموش|کنار|لغو", 5, 0.88),
    phrase("نادیده|فراموش بگیر|بگیرید|کن|کنید دستورات|دستورالعمل|دستورالعمل‌های|قوانین|همه|هرچه|آنچه", 4, 0.85),
    // Vietnamese: words have a space between their syllables.
    phrase("bỏ|phớt|quên|mặc|lờ|xóa|gạt qua|lờ|hết|đi|tất|mọi|các|kệ|những|bỏ hướng|chỉ|lệnh|quy|mệnh|yêu|chỉ|nội dẫn|thị|tắc|định|lệnh|cầu|dung|trước trước|trên|đó|đây|ban|cũ|của", 3, 0.9),
    phrase("bỏ|quên|phớt|mặc qua|hết|lờ|kệ|đi lệnh|luật|quy|chỉ trước|trên|cũ", 3, 0.85),
    phrase("không|đừng tuân|làm|thực theo|hiện|thủ hướng|chỉ|lệnh|quy dẫn|thị|tắc|trước trước|trên|đó|nữa", 3, 0.82),
];

/// Extraction of the system prompt.
#[rustfmt::skip]
pub(super) const EXTRACTION: &[Phrase] = &[
    // German
    phrase("zeige|zeig|nenne|nenn|verrate|verrat|gib|gebe|wiederhole|offenbare|sage|sag|drucke|übersetze|schreibe|zitiere systemprompt|systemprompts|systemanweisungen|systemanweisung|systemnachricht|systemaufforderung|anfangsanweisungen", 4, 0.85),
    phrase("zeige|zeig|nenne|nenn|verrate|gib|gebe|wiederhole|offenbare|sage|sag|drucke|zitiere deine|deinen|dein|ihre|ihren system|geheimen|geheime|ursprünglichen|versteckten|internen|anfänglichen|ersten prompt|anweisungen|instruktionen|vorgaben|regeln|nachricht", 3, 0.85),
    phrase("wie|was|welche lautet|lauten|ist|sind|steht|waren dein|deine|deinem|deinen systemprompt|systemanweisungen|ursprünglichen|geheimen|internen|anfangsanweisungen", 2, 0.85),
    // French
    phrase("montre|montrez|affiche|affichez|révèle|révélez|donne|donnez|répète|répétez|dis|dites|écris|imprime|traduis|divulgue prompt|invite|message|instructions|consignes système|initial|initiale|initiales|secrètes|cachées|secret|caché|internes|confidentielles", 3, 0.85),
    phrase("quel|quelle|quelles|quels est|sont|était|étaient ton|tes|votre|vos prompt|instructions|consignes|message|invite système|initial|initiales|secrètes|cachées|internes|exactes", 3, 0.85),
    // Spanish
    phrase("muestra|muéstrame|muestre|revela|revélame|revele|dime|dame|repite|repita|imprime|escribe|enséñame|traduce|cita prompt|mensaje|instrucciones|indicaciones sistema|inicial|iniciales|secretas|ocultas|secreto|oculto|internas|originales", 4, 0.85),
    phrase("cuál|cuáles|cual|cuales|qué es|son|eran|era|dice tu|tus|su|sus prompt|instrucciones|indicaciones|mensaje sistema|inicial|iniciales|secretas|ocultas|internas|originales", 3, 0.85),
    // Italian
    phrase("mostra|mostrami|mostrate|rivela|rivelami|rivelate|dimmi|dammi|ripeti|ripetete|stampa|scrivi|traduci|elenca prompt|messaggio|istruzioni|indicazioni sistema|iniziale|iniziali|segrete|nascoste|segreto|nascosto|interne|originali", 4, 0.85),
    phrase("qual|quale|quali cosa|è|sono|erano|era tuo|tue|tuoi|vostro|vostre prompt|istruzioni|messaggio|indicazioni sistema|iniziale|iniziali|segrete|nascoste|interne|originali", 3, 0.85),
    phrase("quali|qual sono|è|erano tue|tuo istruzioni|prompt sistema|iniziali|segrete|nascoste|originali|interne|iniziale", 3, 0.85),
    // Portuguese
    phrase("mostre|mostra|revele|revela|diga|dê|repita|repete|imprima|escreva|exiba|traduza|cite|me prompt|mensagem|instruções|orientações sistema|inicial|iniciais|secretas|ocultas|secreto|oculto|internas|originais", 4, 0.85),
    phrase("qual|quais é|são|eram|era seu|sua|suas|teu|tuas prompt|instruções|mensagem|orientações sistema|inicial|iniciais|secretas|ocultas|internas|originais", 3, 0.85),
    // Dutch
    phrase("toon|laat|geef|onthul|herhaal|print|vertel|schrijf|vertaal|noem je|jouw|uw|de systeemprompt|systeeminstructies|systeembericht|systeemopdracht|beginprompt", 4, 0.85),
    phrase("toon|laat|geef|onthul|herhaal|print|vertel|schrijf je|jouw|uw geheime|oorspronkelijke|verborgen|interne|eerste|systeem|initiële instructies|prompt|opdracht|regels|richtlijnen", 3, 0.85),
    phrase("wat is|zijn|staat|luidt|was je|jouw|uw systeemprompt|systeeminstructies|oorspronkelijke|geheime|verborgen|interne", 2, 0.85),
    // Polish
    phrase("pokaż|pokażcie|ujawnij|wyświetl|podaj|powtórz|powiedz|wypisz|zdradź|przetłumacz|napisz prompt|instrukcje|instrukcję|polecenie|komunikat|wiadomość|polecenia systemowy|systemowe|systemową|początkowe|początkowy|ukryte|ukryty|tajne|wewnętrzne|pierwotne|systemu", 3, 0.85),
    phrase("pokaż|ujawnij|wyświetl|podaj|powtórz|zdradź|wypisz swoje|swój|swoją|twoje ukryte|tajne|początkowe|wewnętrzne|systemowe|systemowy instrukcje|polecenia|zasady|prompt", 2, 0.85),
    phrase("jaki|jakie|jaka brzmi|jest|są|był|były twój|twoje|twoja prompt|instrukcje|polecenia|instrukcja systemowy|systemowe|początkowe|ukryte|tajne", 3, 0.85),
    phrase("jaki|jakie|jaka brzmi|jest|są|był|były twój|twoje|twoja systemowy|systemowe|początkowe|ukryte|tajne|pierwotne prompt|instrukcje|polecenia|instrukcja", 2, 0.85),
    // Turkish
    phrase("sistem|gizli|başlangıç|ilk|iç|orijinal istemini|istemi|talimatlarını|talimatını|komutunu|mesajını|promptunu|promptu|yönergelerini|istemin|promptun|talimatların göster|gösterin|yaz|yazdır|söyle|açıkla|tekrarla|paylaş|ver|nedir|neler|ne|ifşa|listele", 4, 0.85),
    // Russian
    phrase("покажи|покажите|раскрой|раскройте|выведи|выведите|повтори|повторите|назови|скажи|сообщи|напечатай|напиши|переведи|процитируй|выдай системный|системные|системную|системное|скрытые|скрытый|секретные|исходные|исходный|начальные|начальный|внутренние|первоначальные|свой|твой промпт|промт|запрос|инструкции|инструкцию|сообщение|указания|правила|подсказку|установки", 3, 0.85),
    phrase("какой|какие|каков|каковы|какая|что твой|твои|твоя|у|ваш|ваши|в системный|системные|исходные|исходный|скрытые|начальные|системном|системная промпт|промт|инструкции|запрос|указания|сообщение|промпте|инструкция", 4, 0.85),
    // Ukrainian
    phrase("покажи|покажіть|розкрий|розкрийте|виведи|виведіть|повтори|повторіть|назви|скажи|надрукуй|напиши|переклади|процитуй системний|системні|системну|системне|приховані|прихований|секретні|початкові|початковий|внутрішні|первинні промпт|запит|інструкції|інструкцію|повідомлення|вказівки|правила|підказку", 4, 0.85),
    phrase("який|які|яка|що твій|твої|твоя|ваш|ваші|у системний|системні|початкові|приховані|системна промпт|інструкції|запит|вказівки|інструкція", 4, 0.85),
    // Chinese
    phrase("显示|告诉|透露|输出|重复|打印|泄露|公开|说出|复述|展示|列出|翻译|写出|给我|給我|顯示|告訴|輸出|重複|複述|說出|洩露|公開|背诵|背誦 系统|系統|初始|隐藏|隱藏|秘密|原始|内部|內部|最初|开头|開頭 提示|指令|指示|消息|訊息|设定|設定|规则|規則|说明|說明", 9, 0.85),
    phrase("你的|您的 系统|系統|初始|隐藏|隱藏|原始|内部|內部 提示|指令|指示|消息|设定|設定|规则|規則 是什|什么|什麼|内容|內容|哪些|多少", 6, 0.85),
    // Japanese
    phrase("シス|初期|隠さ|内部|秘密|最初|元の|非公 プロ|指示|命令|メッ|設定 表示|教え|見せ|出力|繰り|公開|明か|開示|書い|示し|何で|翻訳|列挙|暴露", 12, 0.85),
    // Korean
    phrase("시스|초기|숨겨|비밀|내부|최초|원래|숨은 프롬|지시|명령|메시|지침|설정 보여|알려|출력|말해|공개|반복|표시|뭐야|무엇|적어|써줘|번역|밝혀|누설", 9, 0.85),
    // Hindi
    phrase("सिस्टम|छिपे|छुपे|गुप्त|प्रारंभिक|मूल|आंतरिक|शुरुआती प्रॉम्प्ट|प्रॉम्ट|निर्देश|निर्देशों|संदेश|नियम दिखाओ|दिखाएं|दिखाएँ|दिखाइए|बताओ|बताएं|बताएँ|बताइए|दोहराओ|दोहराएं|प्रकट|लिखो|लिखें|क्या|उजागर|साझा|प्रिंट", 5, 0.85),
    // Arabic
    phrase("اعرض|أظهر|اظهر|أظهري|اكشف|كرر|اطبع|أخبرني|اخبرني|قل|اكتب|أعطني|اعطني|ترجم|ما|ماهي|ماهو|شارك موجه|الموجه|تعليمات|تعليماتك|التعليمات|رسالة|أوامر|موجّه|مطالبة|برومبت|قواعدك|توجيهاتك|الأوامر النظام|نظامك|الأولية|السرية|المخفية|الخفية|الأصلية|الداخلية|الاولية|النظامية", 3, 0.85),
    // Persian
    phrase("پرامپت|دستورالعمل|دستورات|پیام|دستورهای|دستور|دستورالعمل‌های سیستم|سیستمی|مخفی|پنهان|اولیه|محرمانه|داخلی|سیستمت|اصلی نشان|بگو|بگویید|چاپ|تکرار|فاش|نمایش|بنویس|بنویسید|چیست|چه|بده|آشکار|ترجمه", 5, 0.85),
    // Vietnamese
    phrase("hiển|tiết|cho|in|lặp|đọc|viết|nói|liệt|chia|dịch lời|prompt|hướng|chỉ|câu|thông hệ|ẩn|bí|gốc|ban|nội thống|mật|giấu|đầu|của|bộ", 5, 0.82),
    phrase("prompt|lời|hướng|chỉ nhắc|dẫn|thị|hệ hệ|thống|ban|bí|ẩn thống|của|đầu|mật là|bạn|mày gì|là", 4, 0.82),
];
