// Package page tests the broker's page in a headless Chromium, which test/run
// installs. It is a module of its own, so that what drives the browser enters no
// other.
package page
