package manifests_test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
)

var hunt = flag.String("mutants", "",
	"break the policies in the ways that match this expression, and see whether the tests notice; all take a "+
		"quarter of an hour")

// mutant is a policy with one fault.
type mutant struct {
	fault  string
	policy *admission.ValidatingAdmissionPolicy
}

// testMutants tests the tests: for each fault, some attempt must end otherwise than it should.
func testMutants(t *testing.T, f *fixture) {
	c, err := client.NewForConfig(f.Config())
	if err != nil {
		t.Fatal(err)
	}
	policies := c.ValidatingAdmissionPolicies()
	list, err := policies.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=policy"})
	if err != nil {
		t.Fatal(err)
	}
	allowEverything(t, f.Lab, warren)
	if found := f.firstWrong(t, everything); found != nil {
		t.Fatalf("without any fault: %v", found)
	}
	wanted := regexp.MustCompile(*hunt)
	var killed, refused, survived int
	for _, p := range list.Items {
		for _, m := range mutants(&p) {
			if !wanted.MatchString(m.fault) {
				continue
			}
			if err := f.replace(t, policies, m.policy); apierrors.IsInvalid(err) {
				refused++
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			if found := f.firstWrong(t, everything); found != nil {
				killed++
				t.Logf("%s: %s: %.200v", p.Name, m.fault, found)
				continue
			}
			survived++
			t.Errorf("%s: nothing notices: %s", p.Name, m.fault)
		}
		if err := f.replace(t, policies, &p); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d faults noticed, %d not; %d were no policies", killed, survived, refused)
}

// replace puts p in force in the place of the policy of its name.
func (f *fixture) replace(t *testing.T, policies client.ValidatingAdmissionPolicyInterface,
	p *admission.ValidatingAdmissionPolicy) error {
	t.Helper()
	old, err := policies.Get(t.Context(), p.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	p.ResourceVersion = old.ResourceVersion
	if _, err = policies.Update(t.Context(), p, metav1.UpdateOptions{}); err != nil {
		return err
	}
	inForce(t, f.Lab)
	return nil
}

func (f *fixture) firstWrong(t *testing.T, granted rights) error {
	for err := range f.wrong(t.Context(), granted) {
		return err
	}
	return nil
}

// mutants are p without one of its parts, or with one operator turned into another.
func mutants(p *admission.ValidatingAdmissionPolicy) (all []mutant) {
	add := func(fault string, spoil func(*admission.ValidatingAdmissionPolicySpec)) {
		m := p.DeepCopy()
		spoil(&m.Spec)
		all = append(all, mutant{fault, m})
	}
	for i, v := range p.Spec.Validations {
		add("without "+v.Expression,
			func(s *admission.ValidatingAdmissionPolicySpec) { s.Validations = slices.Delete(s.Validations, i, i+1) })
		for fault, e := range faults(v.Expression) {
			add(fault, func(s *admission.ValidatingAdmissionPolicySpec) { s.Validations[i].Expression = e })
		}
	}
	for i, c := range p.Spec.MatchConditions {
		add("without "+c.Expression, func(s *admission.ValidatingAdmissionPolicySpec) {
			s.MatchConditions = slices.Delete(s.MatchConditions, i, i+1)
		})
		for fault, e := range faults(c.Expression) {
			add(fault, func(s *admission.ValidatingAdmissionPolicySpec) { s.MatchConditions[i].Expression = e })
		}
	}
	for i, v := range p.Spec.Variables {
		for fault, e := range faults(v.Expression) {
			add(fault, func(s *admission.ValidatingAdmissionPolicySpec) { s.Variables[i].Expression = e })
		}
	}
	rule := p.Spec.MatchConstraints.ResourceRules[0]
	for i, o := range rule.Operations {
		add("without "+string(o), func(s *admission.ValidatingAdmissionPolicySpec) {
			r := &s.MatchConstraints.ResourceRules[0]
			r.Operations = slices.Delete(r.Operations, i, i+1)
		})
	}
	for i, name := range rule.Resources {
		add("without "+name, func(s *admission.ValidatingAdmissionPolicySpec) {
			r := &s.MatchConstraints.ResourceRules[0]
			r.Resources = slices.Delete(r.Resources, i, i+1)
		})
	}
	return all
}

// swaps are what is broken in an expression, wherever it occurs.
var swaps = []struct {
	old *regexp.Regexp
	new string
}{
	{regexp.MustCompile(`==`), "!="}, {regexp.MustCompile(`!=`), "=="},
	{regexp.MustCompile(`&&`), "||"}, {regexp.MustCompile(`\|\|`), "&&"},
	{regexp.MustCompile(`\.all\(`), ".exists("}, {regexp.MustCompile(`\.exists\(`), ".all("},
	{regexp.MustCompile(`<=`), "<"}, {regexp.MustCompile(`!\(`), "("}, {regexp.MustCompile(`!variables`), "variables"},
	{regexp.MustCompile(`'[A-Za-z:./-]+', `), ""}, {regexp.MustCompile(`, '[A-Za-z:./-]+'\]`), "]"},
	{regexp.MustCompile(`\[0\]`), "[1]"}, {regexp.MustCompile(`\b[1-9]\d*\b`), "7"},
}

// faults are expression with one fault each.
func faults(expression string) map[string]string {
	all := map[string]string{}
	for _, swap := range swaps {
		for _, at := range swap.old.FindAllStringIndex(expression, -1) {
			broken := expression[:at[0]] + swap.new + expression[at[1]:]
			fault := fmt.Sprintf("%q for %q in %s⟨⟩%s", swap.new, expression[at[0]:at[1]],
				expression[max(0, at[0]-60):at[0]], expression[at[1]:min(len(expression), at[1]+60)])
			all[fault] = broken
		}
	}
	return all
}
