package pack

import "testing"

func TestShorten(t *testing.T) {
	for full, want := range map[string]string{
		"Apple, Inc.":                              "Apple",
		"Intel Corporate":                          "Intel",
		"zte corporation":                          "ZTE",
		"HUAWEI TECHNOLOGIES CO.,LTD":              "Huawei",
		"Huawei Device Co., Ltd.":                  "Huawei",
		"TP-LINK TECHNOLOGIES CO.,LTD.":            "TP-Link",
		"Motorola Mobility LLC, a Lenovo Company":  "Motorola Mobility",
		"Bang & Olufsen A/S":                       "Bang & Olufsen",
		"Mayer & Cie GmbH & Co KG":                 "Mayer & Cie",
		"ABB INDUSTRIAL SYSTEMS AB":                "ABB Industrial Systems",
		"IMC NETWORKS CORP.":                       "IMC Networks",
		"BÜRO FÜR TECHNIK GMBH":                    "Büro für Technik",
		"P.A. Semi, Inc.":                          "P.A. Semi",
		"SMND":                                     "SMND",
		"AG Leader":                                "AG Leader",
		"Braveridge.co.,ltd.":                      "Braveridge",
		"DGT Sp. z o.o.":                           "DGT",
		"Proxis, spol. s r.o.":                     "Proxis",
		"DU PONT PIXEL SYSTEMS     .":              "DU Pont Pixel Systems",
		"YanFeng Visteon(ChongQing) Electronic Co": "YanFeng Visteon",
		"(Only) ":                                  "Only",
		"Hangzhou Taili wireless tools":            "Hangzhou Taili wireless",
		"Gassner Wiege- und Mess Ltd":              "Gassner Wiege- und Mess",
		"Donaudampfschifffahrtsgesellschaft":       "Donaudampfschifffahrtsge",
		"Sichuan\u00a0AI-Link\u00a0Technology\u00a0Co.,\u00a0Ltd.": "Sichuan AI-Link",
		"\u200bASUNG\x1b[31m\u202e\n，Ltd":                          "ASUNG[31m",
		"Private":                                                  "",
		"IEEE Registration Authority":                              "",
		"Private Eye":                                              "Private Eye",
		" . ":                                                      "",
		"":                                                         "",
	} {
		if got := Shorten(full); got != want {
			t.Errorf("%q: %q, want %q", full, got, want)
		}
	}
}
