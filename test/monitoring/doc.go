// Package monitoring tests what is shipped for Prometheus and Grafana: that alerts and dashboard ask for metrics which
// exist, and that each alert and each check of the doctor has a runbook.
package monitoring
