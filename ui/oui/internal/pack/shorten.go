package pack

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameLen is oui.NameLen, which cannot be imported before there is a table to embed.
const nameLen = 24

// unnamed are entries that do not say who holds the block.
var unnamed = []string{"Private", "IEEE Registration Authority"}

// familiar has the names that people know the most common makers by, where shortening alone does
// not find them.
var familiar = map[string]string{
	"ASUSTek COMPUTER":                         "ASUSTek",
	"Cisco Systems":                            "Cisco",
	"Extreme Networks Headquarters":            "Extreme Networks",
	"Fiberhome Telecommunication":              "Fiberhome",
	"Giga-Byte":                                "Gigabyte",
	"Guangdong Oppo Mobile Telecommunications": "Oppo",
	"Hangzhou Hikvision Digital":               "Hikvision",
	"Hewlett Packard":                          "HP",
	"Hewlett Packard Enterprise":               "HPE",
	"Hon Hai Precision Ind":                    "Hon Hai (Foxconn)",
	"Huawei Device":                            "Huawei",
	"Raspberry Pi Foundation":                  "Raspberry Pi",
	"Realtek Semiconductor":                    "Realtek",
	"Samsung Electronics":                      "Samsung",
	"Super Micro Computer":                     "Supermicro",
	"TP-Link Systems":                          "TP-Link",
	"Xiaomi Communications":                    "Xiaomi",
	"vivo Mobile Communication":                "vivo",
	"zte":                                      "ZTE",
}

// ends are words, without dots and slashes, at which a company's name is over wherever they stand
// after the first: what follows is the rest of the legal form, or says whose daughter it is.
var ends = set(`inc incorporated ltd ltda limited corp corporation corporate gmbh llc plc pty pte pvt
	private sdn bhd srl sarl sro doo lda coltd cokg mbh gmbhco company`)

// tails are words that are dropped only from the end, as they also have other meanings.
var tails = set(`co ag ab as aps asa sa sas spa se bv nv kg oy oyj kk ug ohg ek sl lp slu sau dd jsc
	technology technologies`)

// joints are dropped from the end too, when what they joined to the name is gone.
var joints = set(`& - + and und of for de the a`)

// lower stay in lower case within a title.
var lower = set(`and und et of for de da di la the fur für`)

var (
	parens = regexp.MustCompile(`\([^()]*\)?`)
	forms  = regexp.MustCompile(`(?i)\.co\b|\bsp\.? ?z ?o\.? ?o\b|\bspol\. s r\. ?o\b`)
	vowel  = regexp.MustCompile(`(?i)[aeiouyäöüàáâãåéèêíóôõúıİ]`)
)

// ascii has what the register writes in two ways.
var ascii = strings.NewReplacer("，", ",", "（", "(", "）", ")", "–", "-", "—", "-", "’", "'", "‘", "'")

// marks are left out where words are compared.
var marks = strings.NewReplacer(".", "", "/", "")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// Shorten makes a short name, of at most 24 printable characters, of one in the register. It is ""
// when that names nobody.
func Shorten(full string) string {
	words := trim(strings.Fields(plain(full)))
	if slices.Contains(unnamed, strings.Join(strings.Fields(full), " ")) || len(words) == 0 {
		return ""
	}
	name := strings.Join(words, " ")
	if name == strings.ToUpper(name) {
		name = title(words)
	}
	if known := familiar[name]; known != "" {
		return known
	}
	return clip(name)
}

// plain replaces what stands between words by spaces and drops what is not printable or stands in
// parentheses.
func plain(s string) string {
	s = ascii.Replace(s)
	if rest := parens.ReplaceAllString(s, " "); strings.TrimSpace(rest) != "" {
		s = rest
	}
	s = forms.ReplaceAllString(s, " Co")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), strings.ContainsRune(`,;:"()`, r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Mn, r), r == '®':
			return -1
		}
		return r
	}, s)
}

// key is the word as the sets have it: "S.p.A." is "spa", "A/S" is "as".
func key(word string) string {
	if k := marks.Replace(strings.ToLower(word)); k != "" {
		return k
	}
	return "-"
}

// trim drops the legal form and general words; the first word always stays.
func trim(words []string) []string {
	for len(words) > 0 && key(words[0]) == "-" {
		words = words[1:]
	}
	for i := 1; i < len(words); i++ {
		if ends[key(words[i])] {
			words = words[:i]
		}
	}
	for n := len(words) - 1; n > 0 && (tails[key(words[n])] || joints[key(words[n])]); n-- {
		words = words[:n]
	}
	if n := len(words) - 1; n >= 0 && strings.Count(words[n], ".") == 1 {
		words[n] = strings.TrimSuffix(words[n], ".")
	}
	return words
}

// title writes words of capitals as a title. Short ones, and those that cannot be spoken, are taken
// for abbreviations.
func title(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		parts := strings.Split(w, "-")
		for j, p := range parts {
			switch l := strings.ToLower(p); {
			case i > 0 && lower[l]:
				parts[j] = l
			case utf8.RuneCountInString(p) > 3 && !strings.ContainsAny(p, ".&/0123456789") &&
				vowel.MatchString(p):
				_, n := utf8.DecodeRuneInString(p)
				parts[j] = p[:n] + strings.ToLower(p[n:])
			}
		}
		out[i] = strings.Join(parts, "-")
	}
	return strings.Join(out, " ")
}

// clip cuts a name that is too long, between two words if that leaves half of it.
func clip(name string) string {
	r := []rune(name)
	if len(r) <= nameLen {
		return name
	}
	cut := string(r[:nameLen])
	if at := strings.LastIndexByte(cut, ' '); r[nameLen] != ' ' && at >= nameLen/2 {
		cut = cut[:at]
	}
	return strings.Join(trim(strings.Fields(cut)), " ")
}
