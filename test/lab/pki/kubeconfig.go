package pki

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a kubeconfig for the issued subject with that file name to NAME.kubeconfig, and returns its path.
func (a *Authority) Kubeconfig(server, name string) (string, error) {
	return a.kubeconfig(server, name, &api.AuthInfo{
		ClientCertificate: a.File(name + ".crt"),
		ClientKey:         a.File(name + ".key"),
	})
}

// TokenKubeconfig writes a kubeconfig that authenticates by the token, which is kept in a file of its own as in a pod.
func (a *Authority) TokenKubeconfig(server, name, token string) (string, error) {
	file := a.File(name + ".token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", fmt.Errorf("write the token of %s: %w", name, err)
	}
	return a.kubeconfig(server, name, &api.AuthInfo{TokenFile: file})
}

// Publish writes a kubeconfig for the issued subject to path, for another server URL, and returns path.
func (a *Authority) Publish(server, name, path string) (string, error) {
	user := &api.AuthInfo{ClientCertificate: a.File(name + ".crt"), ClientKey: a.File(name + ".key")}
	return path, a.write(server, path, user)
}

func (a *Authority) kubeconfig(server, name string, user *api.AuthInfo) (string, error) {
	path := a.File(name + ".kubeconfig")
	return path, a.write(server, path, user)
}

func (a *Authority) write(server, path string, user *api.AuthInfo) error {
	c := api.NewConfig()
	c.Clusters["lab"] = &api.Cluster{Server: server, CertificateAuthority: a.File("ca.crt")}
	c.AuthInfos["lab"] = user
	c.Contexts["lab"] = &api.Context{Cluster: "lab", AuthInfo: "lab"}
	c.CurrentContext = "lab"
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		return fmt.Errorf("write the kubeconfig %s: %w", path, err)
	}
	return nil
}
