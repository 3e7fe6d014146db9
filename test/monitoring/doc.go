// Package monitoring tests what is shipped for Prometheus and Grafana: that alerts and dashboard ask for metrics which
// exist, that each alert and each check of the doctor has a runbook, and when each alert fires.
package monitoring
