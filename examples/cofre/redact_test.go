package main

import (
	"testing"
)

// TestRedact: what a text quotes of secrets is gone, and nothing else.
func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"unexpected argument postgresql://u:SECRET@h/db":                              "unexpected argument postgresql://u:***@h/db",
		"s3://key:SEC/RET@bucket":                                                     "s3://key:***@bucket",
		"host=h password = 'SEC RET' user=u":                                          "host=h password = *** user=u",
		"https://a.blob.core.windows.net/c?sv=2025&sig=SECRET%3D&se=1":                "https://a.blob.core.windows.net/c?sv=2025&sig=***&se=1",
		"https://b/k?X-Amz-Signature=SECRET&X-Amz-Security-Token=SECRET&X-Amz-Date=1": "https://b/k?X-Amz-Signature=***&X-Amz-Security-Token=***&X-Amz-Date=1",
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET==;x=1":        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=***;x=1",
		"?secret_access_key=SECRET":                                                   "?secret_access_key=***",
		`unexpected argument "AGE-SECRET-KEY-1SECRET"`:                                `unexpected argument "AGE-SECRET-KEY-1***"`,
		"AGE-SECRET-KEY-PQ-1SECRET":                                                   "AGE-SECRET-KEY-PQ-1***",
		"set full/x is not sealed by a trusted key: it has no manifest.sig":           "set full/x is not sealed by a trusted key: it has no manifest.sig",
	} {
		if got := redact(text); got != want {
			t.Errorf("%s\nbecomes  %s\nnot      %s", text, got, want)
		}
	}
}
