package main

import (
	"html"
	"net/url"
	"regexp"
	"strings"
)

// href finds the address that an <a> or <area> tag links to: with either kind of quotes, or
// without. A pattern is not a parser: it also finds links in comments and scripts, but a crawler
// can live with that.
var href = regexp.MustCompile(`(?is)<(?:a|area)\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)

// links returns the addresses that a page links to, each once, in the order of the page.
func links(base *url.URL, contentType string, body []byte) []*url.URL {
	if !strings.HasPrefix(contentType, "text/html") {
		return nil
	}
	seen := make(map[string]bool)
	var found []*url.URL
	for _, match := range href.FindAllSubmatch(body, -1) {
		link := html.UnescapeString(strings.TrimSpace(string(match[1]) + string(match[2]) + string(match[3])))
		u, err := base.Parse(link)
		if err != nil {
			continue
		}
		u.Fragment = ""
		if !seen[u.String()] {
			seen[u.String()] = true
			found = append(found, u)
		}
	}
	return found
}
