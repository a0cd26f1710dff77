//! Certificates, keys and tokens of one control plane: made for it, gone with it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::StartError;

/// The files that hold them.
#[derive(Debug)]
pub(super) struct Credentials {
    /// What signed the API server's certificate.
    pub(super) ca: PathBuf,
    pub(super) serving_certificate: PathBuf,
    pub(super) serving_key: PathBuf,
    /// Signs the tokens of service accounts.
    pub(super) service_account_key: PathBuf,
    pub(super) service_account_public_key: PathBuf,
    /// The users of [`ADMIN`] and [`CONTROLLER_MANAGER`].
    pub(super) tokens: PathBuf,
    admin_token: String,
    controller_manager_token: String,
}

/// Who tests are: the audit log tells them from the operator and from Kubernetes' own controllers by name.
pub(super) const ADMIN: &str = "admin";
/// What signed the API server's certificate, in the folder of the control plane.
pub(super) const CA: &str = "ca.crt";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

impl Credentials {
    pub(super) fn write(folder: &Path) -> Result<Self, StartError> {
        let signed = |error: rcgen::Error| {
            StartError(format!(
                "failed to make the certificates of the control plane: {error}"
            ))
        };
        let write = |name: &str, content: &str| {
            let file = folder.join(name);
            fs::write(&file, content)
                .map_err(|error| StartError(format!("failed to write {}: {error}", file.display())))
                .map(|()| file)
        };

        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name
            .push(DnType::CommonName, "testbench control plane");
        let ca_key = KeyPair::generate().map_err(signed)?;
        let ca_certificate = ca.self_signed(&ca_key).map_err(signed)?;

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        let mut serving = CertificateParams::new(names.map(str::to_owned)).map_err(signed)?;
        serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        serving.use_authority_key_identifier_extension = true;
        serving
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        let serving_key = KeyPair::generate().map_err(signed)?;
        let serving_certificate = serving
            .signed_by(&serving_key, &Issuer::new(ca, ca_key))
            .map_err(signed)?;

        let service_account_key = KeyPair::generate().map_err(signed)?;
        let admin_token = secret()?;
        let controller_manager_token = secret()?;
        // A user of its own for the controller manager tells its requests in the audit log from a test's.
        let tokens = format!(
            "{admin_token},{ADMIN},{ADMIN},system:masters\n{controller_manager_token},{CONTROLLER_MANAGER},{CONTROLLER_MANAGER},system:masters\n"
        );
        Ok(Self {
            ca: write(CA, &ca_certificate.pem())?,
            serving_certificate: write("apiserver.crt", &serving_certificate.pem())?,
            serving_key: write("apiserver.key", &serving_key.serialize_pem())?,
            service_account_key: write(
                "service-account.key",
                &service_account_key.serialize_pem(),
            )?,
            service_account_public_key: write(
                "service-account.pub",
                &service_account_key.public_key_pem(),
            )?,
            tokens: write("tokens.csv", &tokens)?,
            admin_token,
            controller_manager_token,
        })
    }

    pub(super) fn admin_kubeconfig(&self, server: &str) -> String {
        self.kubeconfig(server, ADMIN, &self.admin_token)
    }

    pub(super) fn controller_manager_kubeconfig(&self, server: &str) -> String {
        self.kubeconfig(server, CONTROLLER_MANAGER, &self.controller_manager_token)
    }

    fn kubeconfig(&self, server: &str, user: &str, token: &str) -> String {
        kubeconfig(&self.ca, server, user, token)
    }
}

/// For whoever holds `token`.
pub(super) fn kubeconfig(ca: &Path, server: &str, user: &str, token: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: testbench
contexts:
- name: testbench
  context: {{cluster: testbench, user: {user}}}
clusters:
- name: testbench
  cluster:
    server: {server}
    certificate-authority: '{}'
users:
- name: {user}
  user: {{token: {token}}}
",
        ca.display()
    )
}

/// A secret that nobody guesses: a new key, which the cryptography at hand makes anyway.
fn secret() -> Result<String, StartError> {
    let key = KeyPair::generate()
        .map_err(|error| StartError(format!("failed to make a secret: {error}")))?;
    Ok(key
        .public_key_raw()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
