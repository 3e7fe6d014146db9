package walls

import "warren.mesh/mesh/linux/rtnl"

// ipvsInterface is where kube-proxy puts the addresses of Services in its mode "ipvs" (defaultDummyDevice of
// k8s.io/kubernetes/pkg/proxy/ipvs). It stays when kube-proxy ends.
const ipvsInterface = "kube-ipvs0"

// IPVS reports whether there is kube-proxy's interface of its mode "ipvs".
func (w *Walls) IPVS() (bool, error) {
	conn, err := rtnl.Open()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	link, err := conn.Find(ipvsInterface)
	return link != nil, err
}
