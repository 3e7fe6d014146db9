// Package handshake has a WireGuard device begin handshakes with its peers, spread over time and repeated. It owns
// neither the device nor the routes: it sends datagrams into the interface.
package handshake
